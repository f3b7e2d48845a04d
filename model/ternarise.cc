// SPDX-License-Identifier: MIT
#include "model/ternarise.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "formats/dense.h"
#include "formats/f16.h"
#include "formats/ternary.h"

namespace tern {
namespace {

constexpr uint32_t kGroups[] = {256, 128, 64};
constexpr float kLeastScale = 1e-5f;

// The rows of a dense matrix as floats.
class RowReader {
 public:
  explicit RowReader(const TensorView& matrix)
      : matrix_(matrix),
        row_bytes_(DenseRowBytes(matrix.info.type, matrix.info.cols())),
        floats_(matrix.info.cols()) {}

  // Calls visit(row, floats) for each row. DATA_LOSS for a number that is not finite.
  template <typename Visit>
  absl::Status ForEach(Visit visit) {
    for (uint64_t row = 0; row < matrix_.info.rows(); ++row) {
      DecodeDense(matrix_.info.type, matrix_.data.data() + row * row_bytes_, floats_.size(),
                  floats_.data());
      TERN_RETURN_IF_ERROR(CheckFinite(row));
      visit(row, std::span<const float>(floats_));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status CheckFinite(uint64_t row) const {
    bool all = true;  // no way out of the loop: it is a vector one
    for (const float w : floats_) all &= std::fabs(w) <= std::numeric_limits<float>::max();
    if (all) return absl::OkStatus();
    const auto found =
        std::find_if_not(floats_.begin(), floats_.end(), [](float w) { return std::isfinite(w); });
    return absl::DataLossError(absl::StrCat("tensor ", matrix_.info.name, ": row ", row, ": found ",
                                            *found, ", want finite numbers"));
  }

  const TensorView& matrix_;
  const uint64_t row_bytes_;
  std::vector<float> floats_;
};

int8_t Sign(float w) { return static_cast<int8_t>((w > 0) - (w < 0)); }

// round_half_even, then clamped to a trit: a half goes to 0, so no libm is needed.
int8_t RoundTrit(float w, float inverse) {
  const float x = w * inverse;
  return static_cast<int8_t>((x > 0.5f) - (x < -0.5f));
}

// The sum of |w|, in eight sums side by side.
class AbsSum {
 public:
  void Visit(std::span<const float> row) {
    size_t i = 0;
    for (; i + kLanes <= row.size(); i += kLanes) {
      for (size_t lane = 0; lane < kLanes; ++lane) sums_[lane] += std::fabs(row[i + lane]);
    }
    for (; i < row.size(); ++i) sums_[0] += std::fabs(row[i]);
  }
  double sum() const { return std::accumulate(sums_, sums_ + kLanes, 0.0); }

 private:
  static constexpr size_t kLanes = 8;
  double sums_[kLanes] = {};
};

// Which of the forms that are trits times scales all rows so far have.
class ExactForms {
 public:
  void Visit(std::span<const float> row) {
    for (size_t i = 0; one_scale_ && i < row.size(); ++i) {
      if (row[i] == 0) continue;
      if (scale_ == 0) scale_ = std::fabs(row[i]);
      one_scale_ = std::fabs(row[i]) == scale_;
    }
    for (size_t i = 0; i < std::size(kGroups); ++i) {
      fits_[i] = fits_[i] && row.size() % kGroups[i] == 0 && HasOneScaleEach(row, kGroups[i]);
    }
  }
  bool one_scale() const { return one_scale_; }
  uint32_t group_cols() const {
    for (size_t i = 0; i < std::size(kGroups); ++i) {
      if (fits_[i]) return kGroups[i];
    }
    return 0;
  }

 private:
  static bool HasOneScaleEach(std::span<const float> row, uint32_t group_cols) {
    for (size_t begin = 0; begin < row.size(); begin += group_cols) {
      float scale = 0;
      for (const float w : row.subspan(begin, group_cols)) {
        if (w == 0) continue;
        if (scale == 0) scale = std::fabs(w);
        if (std::fabs(w) != scale) return false;
      }
    }
    return true;
  }

  float scale_ = 0;
  bool one_scale_ = true;
  bool fits_[std::size(kGroups)] = {true, true, true};
};

// Memory for a tensor of `type` with the shape of `like`.
absl::StatusOr<TensorInfo> InfoLike(const TensorView& like, TensorType type) {
  TensorInfo info{like.info.name, type, like.info.shape, 0};
  const absl::StatusOr<uint64_t> bytes = TensorBytes(type, info.shape);
  if (!bytes.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat("tensor ", info.name, ": ", bytes.status().message()));
  }
  info.bytes = *bytes;
  return info;
}

absl::StatusOr<TensorView> Pack(TensorInfo info, const std::vector<int8_t>& trits,
                                const std::vector<float>& scales) {
  auto bytes = std::make_shared<std::vector<uint8_t>>(info.bytes);
  TERN_RETURN_IF_ERROR(
      PackTernary(info.type, info.rows(), info.cols(), trits.data(), scales.data(), *bytes));
  return TensorView{std::move(info), *bytes, bytes};
}

}  // namespace

absl::StatusOr<TernaryFit> MeasureFit(const TensorView& matrix) {
  AbsSum sum;
  ExactForms forms;
  TERN_RETURN_IF_ERROR(RowReader(matrix).ForEach([&](uint64_t, std::span<const float> row) {
    sum.Visit(row);
    forms.Visit(row);
  }));
  const double count = static_cast<double>(matrix.info.rows() * matrix.info.cols());
  TernaryFit fit;
  fit.one_scale = forms.one_scale();
  fit.group_cols = fit.one_scale ? 0 : forms.group_cols();
  fit.scale = std::max(static_cast<float>(sum.sum() / count), kLeastScale);
  return fit;
}

absl::StatusOr<RoundingLoss> MeasureRounding(const TensorView& matrix, float scale) {
  const float inverse = 1 / scale;
  double power = 0, error = 0, zeros = 0;
  TERN_RETURN_IF_ERROR(RowReader(matrix).ForEach([&](uint64_t, std::span<const float> row) {
    for (const float w : row) {
      const int8_t trit = RoundTrit(w, inverse);
      const double lost = static_cast<double>(w) - static_cast<double>(trit) * scale;
      zeros += trit == 0;
      error += lost * lost;
      power += static_cast<double>(w) * w;
    }
  }));
  const double count = static_cast<double>(matrix.info.rows() * matrix.info.cols());
  return RoundingLoss{power > 0 ? std::sqrt(error / power) : 0, zeros / count};
}

absl::StatusOr<TensorView> QuantizeAbsMean(const TensorView& matrix, float scale) {
  TERN_ASSIGN_OR_RETURN(TensorInfo info, InfoLike(matrix, TensorType::kI2S));
  std::vector<int8_t> trits(info.rows() * info.cols());
  const float inverse = 1 / scale;
  TERN_RETURN_IF_ERROR(RowReader(matrix).ForEach([&](uint64_t i, std::span<const float> row) {
    std::transform(row.begin(), row.end(), trits.data() + i * row.size(),
                   [inverse](float w) { return RoundTrit(w, inverse); });
  }));
  return Pack(info, trits, std::vector<float>(info.rows(), scale));
}

absl::StatusOr<TensorView> ConvertExactly(const TensorView& matrix, const TernaryFit& fit) {
  if (!fit.exact()) {
    TERN_ASSIGN_OR_RETURN(const RoundingLoss loss, MeasureRounding(matrix, fit.scale));
    return absl::FailedPreconditionError(
        absl::StrFormat("tensor %s: it is dense, not ternary: rounding it to trits would change it "
                        "by %.0f %%; see tern quantize-check",
                        matrix.info.name, 100 * loss.error));
  }
  const TensorType type = fit.one_scale           ? TensorType::kI2S
                          : fit.group_cols == 256 ? TensorType::kTQ2_0
                          : fit.group_cols == 128 ? TensorType::kPQ2_0
                                                  : TensorType::kQ2_0;
  TERN_ASSIGN_OR_RETURN(TensorInfo info, InfoLike(matrix, type));
  const uint64_t group_cols = ScaleCols(type, info.cols());
  std::vector<int8_t> trits;
  std::vector<float> scales;
  trits.reserve(info.rows() * info.cols());
  float most = 0;  // the one scale
  TERN_RETURN_IF_ERROR(RowReader(matrix).ForEach([&](uint64_t, std::span<const float> row) {
    for (const float w : row) trits.push_back(Sign(w));
    for (size_t begin = 0; begin < row.size(); begin += group_cols) {
      float scale = 0;
      for (const float w : row.subspan(begin, group_cols)) scale = std::max(scale, std::fabs(w));
      scales.push_back(scale);
      most = std::max(most, scale);
    }
  }));
  if (fit.one_scale) {  // a row of zeros goes with the others
    std::fill(scales.begin(), scales.end(), most);
  }
  for (const float scale : scales) {
    if (fit.one_scale || F16ToFloat(FloatToF16(scale)) == scale) continue;
    return absl::FailedPreconditionError(absl::StrCat("tensor ", info.name, ": found scale ", scale,
                                                      " of a group, want one that f16 can hold"));
  }
  return Pack(std::move(info), trits, scales);
}

absl::StatusOr<TensorView> TernarisingSource::Find(absl::string_view name) const {
  TERN_ASSIGN_OR_RETURN(TensorView view, source_.Find(name));
  if (IsTernary(view.info.type) || !is_matrix_(name)) return view;
  TERN_ASSIGN_OR_RETURN(const TernaryFit fit, MeasureFit(view));
  if (!fit.exact() && online_) return QuantizeAbsMean(view, fit.scale);
  return ConvertExactly(view, fit);
}

}  // namespace tern
