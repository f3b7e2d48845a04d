// SPDX-License-Identifier: MIT
// Rotary position embedding (Su et al., arXiv:2104.09864), pairing column j of a head with column
// j + head_dim / 2 ("half-split", "NEOX"), as BitNet b1.58 has it.
#ifndef TERN_MODEL_ROPE_H_
#define TERN_MODEL_ROPE_H_

#include <cstddef>
#include <cstdint>

#include "base/aligned_buffer.h"
#include "model/config.h"

namespace tern {

// Cosines and sines of position * theta^(-2j / head_dim), made in double and rounded to float once.
// Immutable, thread-safe.
class RopeTables {
 public:
  explicit RopeTables(const ModelConfig& config);

  // Rotates `heads` heads that follow each other, in place: (a, b) becomes
  // (a cos - b sin, b cos + a sin). REQUIRES position < config.context.
  void Rotate(uint32_t position, size_t heads, float* x /*[heads, head_dim]*/) const;

  const AlignedBuffer<float>& cosines() const { return cosines_; }
  const AlignedBuffer<float>& sines() const { return sines_; }

 private:
  size_t half_;                   // head_dim / 2
  AlignedBuffer<float> cosines_;  // [context, half]
  AlignedBuffer<float> sines_;    // [context, half]
};

}  // namespace tern

#endif  // TERN_MODEL_ROPE_H_
