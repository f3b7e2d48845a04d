// SPDX-License-Identifier: MIT
// Dense matrices as ternary ones: exactly where they are trits times scales already, or by absmean
// as models that are trained so do it in every forward pass (arXiv:2402.17764).
#ifndef TERN_MODEL_TERNARISE_H_
#define TERN_MODEL_TERNARISE_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "formats/tensor.h"

namespace tern {

// How a matrix fits trits times scales.
struct TernaryFit {
  bool one_scale = false;   // all |w| are 0 or one number
  uint32_t group_cols = 0;  // else: in each row, of each so many columns (256, 128 or 64); 0: none
  float scale = 0;          // absmean: max(mean |w|, 1e-5), in float

  bool exact() const { return one_scale || group_cols > 0; }
};

// What rounding by absmean does to a matrix.
struct RoundingLoss {
  double error = 0;  // ||W - scale * trits|| / ||W||; 0 for W = 0
  double zeros = 0;  // share of trits that are 0
};

// Reads the whole matrix once. DATA_LOSS for a number that is not finite. REQUIRES a dense type,
// as all here do.
absl::StatusOr<TernaryFit> MeasureFit(const TensorView& matrix);

// With the scale of its fit. Errors of MeasureFit.
absl::StatusOr<RoundingLoss> MeasureRounding(const TensorView& matrix, float scale);

// W = g * clamp(round_half_even(W * (1 / g)), -1, 1) with g = `scale`, that of its fit, as I2_S, in
// memory of its own. Errors of MeasureFit.
absl::StatusOr<TensorView> QuantizeAbsMean(const TensorView& matrix, float scale);

// A matrix with an exact fit as I2_S (one scale) or as Q2_0, PQ2_0 or TQ2_0 (by its groups): each
// weight comes back as it was. FAILED_PRECONDITION if the fit is not exact, or a scale of a group
// is not an f16.
absl::StatusOr<TensorView> ConvertExactly(const TensorView& matrix, const TernaryFit& fit);

// Presents the dense matrices among a source's tensors as ternary ones.
class TernarisingSource final : public TensorSource {
 public:
  // For tensors that `is_matrix` names. Those that are not exactly ternary go by absmean if
  // `online`, and are refused with FAILED_PRECONDITION, naming the error, if not. `source` must
  // outlive the object.
  TernarisingSource(const TensorSource& source, std::function<bool(absl::string_view)> is_matrix,
                    bool online)
      : source_(source), is_matrix_(std::move(is_matrix)), online_(online) {}

  absl::StatusOr<TensorView> Find(absl::string_view name) const override;

 private:
  const TensorSource& source_;
  const std::function<bool(absl::string_view)> is_matrix_;
  const bool online_;
};

}  // namespace tern

#endif  // TERN_MODEL_TERNARISE_H_
