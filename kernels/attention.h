// SPDX-License-Identifier: MIT
// Attention of a few query rows over one block of cached keys and values, which share one key-value
// head.
//
// The order of float operations, the same bits on every instruction set and for every grouping of
// the rows. For one query row and the tokens of the block that it attends to:
//
//   score[t] = scale * (sum over blocks of 16 columns, ascending, from +0, of
//                       the sum over the block's columns d, ascending, from +0, of
//                       query[d] * key[d][t])
//   m        = max of score[t]
//   p[t]     = e^(score[t] - m), by the exponential of kernels/vector_ops.h
//   s        = sum of p[t]: lane l of 16 adds tokens l, 16 + l, ... of the block in ascending order
//              from +0, tokens not attended to counting as +0; the lanes fold 8-4-2-1
//   o[d]     = sum over t ascending, from +0, of p[t] * value[t][d]
//
// Blocks are merged in ascending order into (M, S, O), which begin as (-infinity, 0, 0):
//
//   M' = max(M, m),  a = e^(M - M'),  b = e^(m - M')
//   S  = a * S + b * s,  O = a * O + b * o
//
// and O / S is the result. A single block is its own merge: a is 0 and b is 1. Every product and
// every sum is rounded by itself, without fused multiply-add.
//
// With q8 the products are sums of whole numbers, exact in any order: queries, and weights times
// the scales of their values, are rounded to
//
//   k[i] = round_half_even(x[i] * n), n = kQ8Steps / max(max|x|, kQ8Least); u = 1 / n
//
// over the columns of the query (n_q, u_q) and over the tokens of the block (n_w, u_w), and
//
//   score[t] = float(sum over d of k[d] * code[d][t]) * (key_scale[t] * (scale * u_q))
//   o[d]     = float(sum over t of k[t] * code[t][d]) * u_w, with k of p[t] * value_scale[t]
//
// where codes are those of the page less kQ8Zero. A NaN counts as 0; an infinity makes n and all k
// 0 and the result NaN. The rest is as above.
//
// A kernel allocates nothing, starts no thread, keeps no state and cannot fail.
#ifndef TERN_KERNELS_ATTENTION_H_
#define TERN_KERNELS_ATTENTION_H_

#include <cstddef>
#include <cstdint>

#include "kernels/cpu.h"

namespace tern {

// A page holds, of one key-value head, keys [head_dim][32 tokens] and values [32 tokens][head_dim
// rounded up to 16]: 16 tokens of one column of the keys, and 16 columns of one token's values, are
// adjacent, so a kernel has 16 sums in 16 lanes and folds none.
inline constexpr size_t kAttentionPageTokens = 32;
inline constexpr size_t kAttentionBlockTokens = 256;
inline constexpr size_t kAttentionBlockPages = kAttentionBlockTokens / kAttentionPageTokens;
inline constexpr size_t kAttentionLanes = 16;

// Columns of a score's inner sums. One sum over all columns would be less exact.
inline constexpr size_t kAttentionSumCols = 16;

// Pages of q8: codes of 8 bits and a float for each token, its scale; an element is
// (code - kQ8Zero) * scale. The codes lie in tiles of 16 by 4, byte 4 * l + c of a tile being the
// code of lane l and place c: the lanes of keys are tokens and their places columns, the lanes of
// values columns and their places tokens.
//
//   keys    [2 groups of 16 tokens][padded_dim / 4 tiles][16 tokens][4 columns]
//   values  [padded_dim / 16 groups of 16 columns][8 tiles][16 columns][4 tokens]
//   either is followed by [32] scales
inline constexpr int kQ8Zero = 128;
inline constexpr size_t kQ8TileBytes = 64;
inline constexpr size_t kQ8TileDepth = 4;

// What multiplies codes are whole numbers up to kQ8Steps in magnitude, kQ8DigitBase * high + low
// with digits of at most 63: two products of a code and a digit fit the 16 bits of vpmaddubsw,
// 2 * 255 * 63 = 32,130. Sums of up to 2,000 columns or tokens fit 32 bits.
inline constexpr float kQ8Steps = 8064;
inline constexpr int kQ8DigitBase = 127;
inline constexpr float kQ8Least = 1e-30f;

// Floats from one row's scores to the next's. Not a power of two, lest all rows fall into few sets
// of the L1 cache.
inline constexpr size_t kAttentionScoreStride = kAttentionBlockTokens + kAttentionLanes;

// Floats of scratch that a kernel wants for `rows` query rows.
constexpr size_t AttentionScratchFloats(size_t rows, size_t padded_dim) {
  return rows * (kAttentionScoreStride + 2 * padded_dim + kAttentionBlockTokens / 2 + 16) +
         kAttentionPageTokens * padded_dim;
}

// Tokens [begin, end) of a block.
struct AttentionRange {
  uint32_t begin;
  uint32_t end;
};

// M, S and O of some rows.
struct AttentionSums {
  float* max;  // [rows]
  float* sum;  // [rows]
  float* out;  // [rows, padded_dim]
};

// Query row `position * heads + head` is one query head at one position.
struct AttentionArgs {
  const float* queries;  // [positions, query_stride], of which the first heads * head_dim count
  size_t query_stride;
  size_t positions;  // successive tokens of one sequence
  size_t heads;
  size_t head_dim;
  size_t padded_dim;  // head_dim rounded up to a multiple of 16
  float scale;        // above 0
  // The block's pages, of f16, f32 or q8. Only those that a range touches are read; values of
  // tokens outside all ranges never count, whatever they are.
  const void* const* keys;    // [kAttentionBlockPages] of [head_dim, kAttentionPageTokens]
  const void* const* values;  // [kAttentionBlockPages] of [kAttentionPageTokens, padded_dim]
  // [positions]: what each attends to, maybe nothing. Neither begins nor ends descend.
  const AttentionRange* ranges;
  AttentionSums sums;  // of positions * heads rows; the block is merged into them
  float* scratch;      // [AttentionScratchFloats]
  // [kAttentionBlockPages]: the keys that are read after this block, to prefetch them; null where
  // there are none.
  const void* const* next_keys;
};

// One row of the table in kernels/registry.cc.
struct AttentionKernel {
  const char* name;  // attention_<isa>
  Isa isa;
  void (*run_f16)(const AttentionArgs& args);
  void (*run_f32)(const AttentionArgs& args);
  void (*run_q8)(const AttentionArgs& args);
  // Merges `from`, the block after those of `to`, into `to`.
  void (*merge)(const AttentionSums& from, size_t rows, size_t padded_dim, const AttentionSums& to);
};

}  // namespace tern

#endif  // TERN_KERNELS_ATTENTION_H_
