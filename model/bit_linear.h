// SPDX-License-Identifier: MIT
// BitLinear (arXiv:2402.17764): a ternary matrix with one scale, applied to int8 activations.
#ifndef TERN_MODEL_BIT_LINEAR_H_
#define TERN_MODEL_BIT_LINEAR_H_

#include <cstddef>
#include <cstdint>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "kernels/packing.h"
#include "kernels/registry.h"

namespace tern {

// W = scale * trits. Two bits a weight, in memory as in the file.
struct BitLinear {
  size_t rows = 0;                // outputs
  size_t cols = 0;                // inputs
  float scale = 0;                // mean |w| of the trained weights
  AlignedBuffer<uint8_t> packed;  // T2R16: kernels/packing.h
};

// Activations of several tokens, one factor each: x = codes / factor. Borrowed memory.
struct QuantizedRows {
  int8_t* codes = nullptr;   // [tokens, cols]
  int32_t* sums = nullptr;   // [tokens], of the codes
  float* factors = nullptr;  // [tokens]
};

// Tokens and matrix rows multiplied at once: sums of this many, and the weights behind them, stay
// in the cache of a core.
inline constexpr size_t kTokenTile = 64;
inline constexpr size_t kRowTile = 256;
inline constexpr size_t kSumsTile = kTokenTile * kRowTile;

enum class Output { kStore, kAdd };

// out[t][r] = (or +=) float(sum over c of trit[r][c] * codes[t][c]) * (scale / factors[t]), for all
// `tokens` and for the rows of the matrix in `part`, which begins at a multiple of 16. The sum is
// exact, so the result does not depend on how tokens or rows are grouped.
void Multiply(const BitLinear& matrix, IndexRange part, const QuantizedRows& x, size_t tokens,
              const Kernels& kernels, Output output, int32_t* sums /*[kSumsTile], scratch*/,
              float* out /*[tokens, rows]*/);

}  // namespace tern

#endif  // TERN_MODEL_BIT_LINEAR_H_
