// SPDX-License-Identifier: MIT
#include "model/cost.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/weights.h"

namespace tern {
namespace {

uint64_t BytesOf(const BitLinear& matrix) {
  return matrix.packed.size() +
         (matrix.row_scales.size() + matrix.group_scales.size()) * sizeof(float);
}

void AddMatrix(const BitLinear& matrix, StageCost& cost) {
  const uint64_t weights = uint64_t{matrix.rows} * matrix.cols;
  cost.weight_bytes += BytesOf(matrix);
  cost.weights += weights;
  cost.macs_per_row += weights * (matrix.group_cols == 0 ? 1 : kWideDigits);
  std::string kernels = absl::StrCat(matrix.rows, "x", matrix.cols, ": ",
                                     matrix.group_cols == 0 ? matrix.kernels.ToString() : "groups");
  if (std::find(cost.kernels.begin(), cost.kernels.end(), kernels) == cost.kernels.end()) {
    cost.kernels.push_back(std::move(kernels));
  }
}

}  // namespace

StageCost CostOf(const StageWeights& weights) {
  StageCost cost;
  for (const LayerWeights& layer : weights.layers) {
    for (const BitLinear* matrix : MatricesOf(layer)) AddMatrix(*matrix, cost);
  }
  const EmbeddingTable& head = weights.head();
  // A stage without the last layer has no output norm, and its embedding is no head.
  if (head.empty() || weights.output_norm.empty()) return cost;
  const HeadScreen& screen = weights.screen;
  cost.head_bytes = screen.empty() ? head.bytes() : ScreenBytes(screen.rows, screen.cols);
  cost.head = absl::StrCat(TensorTypeName(head.type), screen.empty() ? ", full" : ", screened");
  return cost;
}

uint64_t KvBytesRead(const ModelConfig& config, uint32_t layers, KvType type, uint32_t position) {
  const uint64_t token_bytes = KvPageBytes(config, 1, type) / kKvPageTokens;
  uint64_t bytes = 0;
  for (uint32_t layer = 0; layer < layers; ++layer) {
    const uint32_t seen = position + 1;
    bytes += token_bytes * (config.is_local(layer) ? std::min(seen, config.sliding_window) : seen);
  }
  return bytes;
}

}  // namespace tern
