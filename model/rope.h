// SPDX-License-Identifier: MIT
// Rotary position embedding (Su et al., arXiv:2104.09864), pairing column j of a head with column
// j + head_dim / 2 ("half-split", "NEOX"). Files of architecture `llama` pair columns 2j and 2j +
// 1: loading reorders their rows (model/weights.h).
#ifndef TERN_MODEL_ROPE_H_
#define TERN_MODEL_ROPE_H_

#include <cstddef>
#include <cstdint>

#include "base/aligned_buffer.h"
#include "model/config.h"

namespace tern {

// Which layers a table is for: those that attend to everything, or to a window (model/config.h).
enum class RopeKind { kGlobal, kLocal };

// Cosines and sines of position * frequency[j], made in double and rounded to float once. The
// frequencies are theta^(-2j / head_dim), for global layers scaled as the config says: divided by
// the factor (linear), or YaRN (Peng et al., arXiv:2309.00071), which divides the low ones only and
// multiplies cosines and sines by 0.1 ln(factor) + 1. Immutable, thread-safe.
class RopeTables {
 public:
  RopeTables(const ModelConfig& config, RopeKind kind);

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
