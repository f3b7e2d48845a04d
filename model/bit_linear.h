// SPDX-License-Identifier: MIT
// Ternary matrices, and their products with quantised activations.
//
// BitLinear (arXiv:2402.17764): one scale for the matrix (or for each row), int8 activations with
// one factor a token. Where a file has a scale for each group of columns, the activations keep 22
// bits, as three int8 digits: such models were trained with weights alone quantised.
#ifndef TERN_MODEL_BIT_LINEAR_H_
#define TERN_MODEL_BIT_LINEAR_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "kernels/group_gemm.h"
#include "kernels/packing.h"
#include "kernels/registry.h"

namespace tern {

// W[r][c] = trit[r][c] * the scale of r and of c's group.
struct BitLinear {
  size_t rows = 0;                    // outputs
  size_t cols = 0;                    // inputs
  MatrixKernels kernels;              // for the packing that it is in; groups: T2R16
  AlignedBuffer<uint8_t> packed;      // kernels/packing.h
  float scale = 0;                    // of all rows, unless the next two say otherwise
  AlignedBuffer<float> row_scales;    // [rows]; empty: `scale`
  size_t group_cols = 0;              // columns that share a scale; 0: whole rows
  AlignedBuffer<float> group_scales;  // [row groups, cols / group_cols, 16]; kernels/group_gemm.h

  // How the input is prepared before it is quantised.
  AlignedBuffer<float> input_norm;  // [cols], RMSNorm's weights; empty: none
  bool rotated = false;             // model/rotation.h
};

// Activations of several tokens, one factor each: x = codes / factor, with codes of 8 bits, or of
// 22 for matrices with groups. Borrowed memory.
struct QuantizedRows {
  int8_t* codes[kWideDigits] = {};  // [tokens, stride] each; of 8 bits, the first alone
  size_t stride = 0;                // CodesStride(columns)
  int32_t* sums = nullptr;          // [tokens], of the codes, or [tokens, cols / group_cols]
  float* factors = nullptr;         // [tokens]
};

// Bytes from one token's codes to the next: room for the padding that kernels read, and an odd
// number of cache lines, as at 4096 columns all tokens' codes would share one set of the cache.
constexpr size_t CodesStride(size_t cols) {
  const size_t lines = cols / kCacheLineBytes + 1;
  return (lines | 1) * kCacheLineBytes;
}

// The most tokens and matrix rows multiplied at once: sums of this many, and the weights behind
// them, stay in the cache of a core.
inline constexpr size_t kTokenTile = 64;
inline constexpr size_t kRowTile = 256;
inline constexpr size_t kSumsTile = kTokenTile * kRowTile;

// Tokens multiplied at once if each has `bytes` of codes: what half a second-level cache of
// l2_bytes holds, a multiple of 8, at least 16 and at most kTokenTile; that, too, if l2_bytes is 0,
// unknown.
size_t TokensAtOnce(size_t l2_bytes, size_t bytes);

enum class Output { kStore, kAdd };

// What products need for themselves.
struct MultiplyScratch {
  int32_t* sums = nullptr;    // [kSumsTile]
  float* products = nullptr;  // [kSumsTile]
  float* factors = nullptr;   // [kSumsTile]; of MultiplyGated
};

// out[t][r] = (or +=) the product, for all `tokens` and for the rows of the matrix in `part`, which
// begins at a multiple of kRowSplit:
//   float(sum over c of trit[r][c] * codes[t][c]) * (scale / factors[t]), or with groups
//   (sum over g of group_scale[r][g] * float(sum over c in g of ...)) / factors[t].
// Sums of codes are exact and groups are added in ascending order, so the result does not depend on
// how tokens or rows are grouped.
void Multiply(const BitLinear& matrix, IndexRange part, const QuantizedRows& x, size_t tokens,
              const Kernels& kernels, Output output, const MultiplyScratch& scratch,
              float* out /*[tokens, rows]*/);

// gate[i] = activation(gate[i]) * up[i], one of VectorOps'.
using GateActivation = void (*)(float* gate, const float* up, size_t n);

// out[t][r] = activation(gate product) * (up product), for two matrices of the same shape: as
// Multiply of both and then the activation, but the products of a tile are still in the cache when
// they meet.
void MultiplyGated(const BitLinear& gate, const QuantizedRows& gate_x, const BitLinear& up,
                   const QuantizedRows& up_x, IndexRange part, size_t tokens,
                   const Kernels& kernels, GateActivation activation,
                   const MultiplyScratch& scratch, float* out /*[tokens, rows]*/);

// Quantises row `token` of the input of `matrix`: 8 bits, or 22 with its groups' sums.
void QuantizeInput(const BitLinear& matrix, const float* x /*[cols]*/, size_t token,
                   const Kernels& kernels, QuantizedRows& to);

// Row `row` as floats.
void DecodeRow(const BitLinear& matrix, size_t row, std::span<int8_t> trits /*[cols], scratch*/,
               float* out /*[cols]*/);

}  // namespace tern

#endif  // TERN_MODEL_BIT_LINEAR_H_
