// SPDX-License-Identifier: MIT
#include "model/weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "kernels/packing.h"

namespace tern {
namespace {

struct NormSlot {
  const char* name;
  AlignedBuffer<float> LayerWeights::*weight;
};
constexpr NormSlot kNorms[] = {
    {"attn_norm", &LayerWeights::attn_norm},
    {"attn_sub_norm", &LayerWeights::attn_sub_norm},
    {"ffn_norm", &LayerWeights::ffn_norm},
    {"ffn_sub_norm", &LayerWeights::ffn_sub_norm},
};

struct MatrixSlot {
  const char* name;
  BitLinear LayerWeights::*matrix;
};
constexpr MatrixSlot kMatrices[] = {
    {"attn_q", &LayerWeights::attn_q},     {"attn_k", &LayerWeights::attn_k},
    {"attn_v", &LayerWeights::attn_v},     {"attn_output", &LayerWeights::attn_output},
    {"ffn_gate", &LayerWeights::ffn_gate}, {"ffn_up", &LayerWeights::ffn_up},
    {"ffn_down", &LayerWeights::ffn_down},
};

std::string Describe(const TensorInfo& info) {
  return absl::StrCat(TensorTypeName(info.type), " [", absl::StrJoin(info.shape, ", "), "]");
}

bool IsFiniteF16(uint16_t bits) {
  constexpr uint16_t kExponent = 0x7C00;
  return (bits & kExponent) != kExponent;
}

// Loads one tensor at a time, with all threads.
class Loader {
 public:
  Loader(const TensorSource& source, ThreadPool& pool, uint64_t total_bytes,
         const std::function<void(float)>& progress)
      : source_(source), pool_(pool), total_bytes_(total_bytes), progress_(progress) {}

  absl::StatusOr<LayerWeights> Layer(const ModelConfig& config, uint32_t layer);
  absl::StatusOr<AlignedBuffer<float>> Norm(const TensorInfo& want);
  absl::StatusOr<BitLinear> Matrix(const TensorInfo& want);
  absl::StatusOr<AlignedBuffer<uint16_t>> Embedding(const TensorInfo& want);

 private:
  absl::StatusOr<TensorView> Find(const TensorInfo& want) const;

  // Calls body(rows) on every thread with its share of `rows`; the first error, by row.
  template <typename Body>
  absl::Status ForRows(size_t rows, Body body);

  void Done(const TensorInfo& tensor);

  const TensorSource& source_;
  ThreadPool& pool_;
  const uint64_t total_bytes_;
  const std::function<void(float)>& progress_;
  uint64_t done_bytes_ = 0;
};

absl::StatusOr<TensorView> Loader::Find(const TensorInfo& want) const {
  TERN_ASSIGN_OR_RETURN(const TensorView view, source_.Find(want.name));
  if (view.info.type != want.type || view.info.shape != want.shape) {
    return absl::DataLossError(absl::StrCat("tensor ", want.name, ": found ", Describe(view.info),
                                            ", want ", Describe(want)));
  }
  if (view.data.size() != want.bytes) {
    return absl::DataLossError(absl::StrCat("tensor ", want.name, ": found ", view.data.size(),
                                            " bytes, want ", want.bytes));
  }
  return view;
}

template <typename Body>
absl::Status Loader::ForRows(size_t rows, Body body) {
  std::vector<absl::Status> statuses(pool_.size());
  pool_.Run([&](size_t thread) {
    const IndexRange share = SplitRange(rows, kT2R16Rows, thread, pool_.size());
    if (share.size() > 0) statuses[thread] = body(share);
  });
  for (const absl::Status& status : statuses) TERN_RETURN_IF_ERROR(status);
  return absl::OkStatus();
}

void Loader::Done(const TensorInfo& tensor) {
  done_bytes_ += tensor.bytes;
  if (!progress_) return;
  progress_(
      static_cast<float>(static_cast<double>(done_bytes_) / static_cast<double>(total_bytes_)));
}

absl::StatusOr<LayerWeights> Loader::Layer(const ModelConfig& config, uint32_t layer) {
  LayerWeights weights;
  for (const TensorInfo& want : LayerTensors(config, layer)) {
    const auto is = [&](const char* name) {
      return want.name == absl::StrCat("blk.", layer, ".", name, ".weight");
    };
    for (const NormSlot& slot : kNorms) {
      if (!is(slot.name)) continue;
      TERN_ASSIGN_OR_RETURN(weights.*slot.weight, Norm(want));
    }
    for (const MatrixSlot& slot : kMatrices) {
      if (!is(slot.name)) continue;
      TERN_ASSIGN_OR_RETURN(weights.*slot.matrix, Matrix(want));
    }
  }
  return weights;
}

absl::StatusOr<AlignedBuffer<float>> Loader::Norm(const TensorInfo& want) {
  TERN_ASSIGN_OR_RETURN(const TensorView view, Find(want));
  AlignedBuffer<float> norm(want.cols());
  std::memcpy(norm.data(), view.data.data(), view.data.size());
  for (const float weight : norm) {
    if (std::isfinite(weight)) continue;
    return absl::DataLossError(
        absl::StrCat("tensor ", want.name, ": found ", weight, ", want finite numbers"));
  }
  Done(want);
  return norm;
}

absl::StatusOr<BitLinear> Loader::Matrix(const TensorInfo& want) {
  TERN_ASSIGN_OR_RETURN(const TensorView view, Find(want));
  BitLinear matrix;
  matrix.rows = want.rows();
  matrix.cols = want.cols();
  std::memcpy(&matrix.scale, view.data.data() + matrix.rows * matrix.cols / 4, sizeof(float));
  if (!std::isfinite(matrix.scale)) {
    return absl::DataLossError(absl::StrCat("tensor ", want.name, ": found scale ", matrix.scale,
                                            ", want a finite number"));
  }
  matrix.packed = AlignedBuffer<uint8_t>(T2R16Bytes(matrix.rows, matrix.cols));
  const absl::Status repacked = ForRows(matrix.rows, [&](IndexRange share) {
    return RepackI2SToT2R16(view.data.data(), matrix.cols, share.begin, share.end,
                            matrix.packed.data());
  });
  if (!repacked.ok()) {
    return absl::Status(repacked.code(),
                        absl::StrCat("tensor ", want.name, ": ", repacked.message()));
  }
  Done(want);
  return matrix;
}

absl::StatusOr<AlignedBuffer<uint16_t>> Loader::Embedding(const TensorInfo& want) {
  TERN_ASSIGN_OR_RETURN(const TensorView view, Find(want));
  const size_t dim = want.cols();
  AlignedBuffer<uint16_t> embedding(want.rows() * dim);
  TERN_RETURN_IF_ERROR(ForRows(want.rows(), [&](IndexRange share) {
    uint16_t* begin = embedding.data() + share.begin * dim;
    uint16_t* end = embedding.data() + share.end * dim;
    std::memcpy(begin, view.data.data() + share.begin * dim * sizeof(uint16_t),
                share.size() * dim * sizeof(uint16_t));
    const uint16_t* bad = std::find_if_not(begin, end, IsFiniteF16);
    if (bad == end) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat("tensor ", want.name, ": row ",
                                            (bad - embedding.data()) / dim,
                                            ": found infinity or NaN, want finite numbers"));
  }));
  Done(want);
  return embedding;
}

// Tensors that the stage of `range` holds besides its layers.
std::vector<TensorInfo> EndTensors(const ModelConfig& config, LayerRange range) {
  std::vector<TensorInfo> tensors;
  if (range.begin == 0 || range.end == config.layers) tensors.push_back(EmbeddingTensor(config));
  if (range.end == config.layers) tensors.push_back(OutputNormTensor(config));
  return tensors;
}

}  // namespace

uint64_t WeightBytes(const ModelConfig& config, LayerRange range) {
  const auto loaded_bytes = [](const TensorInfo& tensor) {
    return tensor.type == TensorType::kI2S ? T2R16Bytes(tensor.rows(), tensor.cols())
                                           : tensor.bytes;
  };
  uint64_t layer_bytes = 0;
  for (const TensorInfo& tensor : LayerTensors(config, range.begin)) {
    layer_bytes += loaded_bytes(tensor);
  }
  uint64_t bytes = layer_bytes * range.size();
  for (const TensorInfo& tensor : EndTensors(config, range)) bytes += loaded_bytes(tensor);
  return bytes;
}

absl::StatusOr<StageWeights> LoadWeights(const ModelConfig& config, LayerRange range,
                                         const TensorSource& source, ThreadPool& pool,
                                         const std::function<void(float)>& progress) {
  if (range.begin >= range.end || range.end > config.layers) {
    return absl::InvalidArgumentError(absl::StrCat("layers: found ", range.begin, " to ", range.end,
                                                   ", want a part of 0 to ", config.layers));
  }
  // Of the file: a few bytes more than in memory.
  uint64_t total_bytes = 0;
  for (const TensorInfo& tensor : LayerTensors(config, range.begin)) total_bytes += tensor.bytes;
  total_bytes *= range.size();
  for (const TensorInfo& tensor : EndTensors(config, range)) total_bytes += tensor.bytes;

  Loader loader(source, pool, total_bytes, progress);
  StageWeights weights;
  for (uint32_t layer = range.begin; layer < range.end; ++layer) {
    TERN_ASSIGN_OR_RETURN(LayerWeights loaded, loader.Layer(config, layer));
    weights.layers.push_back(std::move(loaded));
  }
  if (range.begin == 0 || range.end == config.layers) {
    TERN_ASSIGN_OR_RETURN(weights.embedding, loader.Embedding(EmbeddingTensor(config)));
  }
  if (range.end == config.layers) {
    TERN_ASSIGN_OR_RETURN(weights.output_norm, loader.Norm(OutputNormTensor(config)));
  }
  return weights;
}

}  // namespace tern
