// SPDX-License-Identifier: MIT
// Files of architecture `bitnet` by llama.cpp keep the scale of a ternary matrix apart: X.weight
// has scales of 1 and X.scale the real one. Presents such pairs as one tensor.
#ifndef TERN_MODEL_SCALE_FOLDING_H_
#define TERN_MODEL_SCALE_FOLDING_H_

#include "absl/status/statusor.h"
#include "formats/tensor.h"

namespace tern {

// Immutable, thread-safe.
class ScaleFoldingSource final : public TensorSource {
 public:
  // `source` must outlive the object.
  explicit ScaleFoldingSource(const TensorSource& source) : source_(source) {}

  // A ternary X.weight that has an X.scale of one number comes as I2_S with all its scales
  // multiplied by it, in memory of its own; anything else as the source has it. Errors of the
  // source; DATA_LOSS for a scale of another shape, or rows whose scales differ.
  absl::StatusOr<TensorView> Find(absl::string_view name) const override;

 private:
  const TensorSource& source_;
};

}  // namespace tern

#endif  // TERN_MODEL_SCALE_FOLDING_H_
