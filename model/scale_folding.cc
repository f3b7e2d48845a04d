// SPDX-License-Identifier: MIT
#include "model/scale_folding.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "formats/ternary.h"
#include "kernels/i2s.h"

namespace tern {
namespace {

absl::StatusOr<float> ReadScale(const TensorView& tensor) {
  float scale = 0;
  if (tensor.info.type == TensorType::kF32 && tensor.data.size() == sizeof(scale)) {
    std::memcpy(&scale, tensor.data.data(), sizeof(scale));
    if (std::isfinite(scale)) return scale;
  }
  return absl::DataLossError(
      absl::StrCat("tensor ", tensor.info.name, ": want one finite number in F32"));
}

// The one scale of all rows that are not zero.
absl::StatusOr<float> CommonScale(const TensorView& tensor, std::vector<int8_t>& trits) {
  const uint64_t cols = tensor.info.cols(), rows = tensor.info.rows();
  const uint64_t scale_cols = ScaleCols(tensor.info.type, cols);
  std::vector<float> scales(cols / scale_cols);
  std::optional<float> common;
  for (uint64_t row = 0; row < rows; ++row) {
    int8_t* to = trits.data() + row * cols;
    TERN_RETURN_IF_ERROR(UnpackTernary(tensor, row, row + 1, {to, scales.data()}));
    for (size_t group = 0; group < scales.size(); ++group) {
      const int8_t* begin = to + group * scale_cols;
      if (common == scales[group] ||
          std::all_of(begin, begin + scale_cols, [](int8_t trit) { return trit == 0; })) {
        continue;
      }
      if (common) {
        return absl::DataLossError(absl::StrCat("tensor ", tensor.info.name, ": found scales ",
                                                *common, " and ", scales[group],
                                                ", want one, as it has a scale tensor"));
      }
      common = scales[group];
    }
  }
  return common.value_or(1.0f);
}

}  // namespace

absl::StatusOr<TensorView> ScaleFoldingSource::Find(absl::string_view name) const {
  TERN_ASSIGN_OR_RETURN(TensorView weight, source_.Find(name));
  if (!IsTernary(weight.info.type) || !absl::EndsWith(name, ".weight")) return weight;
  const absl::StatusOr<TensorView> scale_tensor =
      source_.Find(absl::StrCat(absl::StripSuffix(name, ".weight"), ".scale"));
  if (absl::IsNotFound(scale_tensor.status())) return weight;
  if (!scale_tensor.ok()) return scale_tensor.status();
  TERN_ASSIGN_OR_RETURN(const float factor, ReadScale(*scale_tensor));

  const uint64_t cols = weight.info.cols(), rows = weight.info.rows();
  std::vector<int8_t> trits(rows * cols);
  TERN_ASSIGN_OR_RETURN(const float common, CommonScale(weight, trits));
  TensorInfo info{weight.info.name, TensorType::kI2S, weight.info.shape, 0};
  TERN_ASSIGN_OR_RETURN(info.bytes, TensorBytes(info.type, info.shape));
  auto bytes = std::make_shared<std::vector<uint8_t>>(info.bytes);
  const std::vector<float> scales(rows, common * factor);
  TERN_RETURN_IF_ERROR(PackTernary(info.type, rows, cols, trits.data(), scales.data(), *bytes));
  return TensorView{std::move(info), *bytes, bytes};
}

}  // namespace tern
