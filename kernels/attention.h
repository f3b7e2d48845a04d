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

// Floats of scratch that a kernel wants for `rows` query rows.
//   rows * (kAttentionScoreStride + padded_dim + head_dim + 2) + kAttentionPageTokens * padded_dim

// Floats from one row's scores to the next's. Not a power of two, lest all rows fall into few sets
// of the L1 cache.
inline constexpr size_t kAttentionScoreStride = kAttentionBlockTokens + kAttentionLanes;

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
  // The block's pages, of f16 or f32. Only those that a range touches are read; values of tokens
  // outside all ranges never count, whatever they are.
  const void* const* keys;    // [kAttentionBlockPages] of [head_dim, kAttentionPageTokens]
  const void* const* values;  // [kAttentionBlockPages] of [kAttentionPageTokens, padded_dim]
  // [positions]: what each attends to, maybe nothing. Neither begins nor ends descend.
  const AttentionRange* ranges;
  AttentionSums sums;               // of positions * heads rows; the block is merged into them
  float* scratch;                   // [AttentionScratchFloats]
  const void* next_keys = nullptr;  // of the page that is read after this block, to prefetch it
};

// One row of the table in kernels/registry.cc.
struct AttentionKernel {
  const char* name;  // attention_<isa>
  Isa isa;
  void (*run_f16)(const AttentionArgs& args);
  void (*run_f32)(const AttentionArgs& args);
  // Merges `from`, the block after those of `to`, into `to`.
  void (*merge)(const AttentionSums& from, size_t rows, size_t padded_dim, const AttentionSums& to);
};

}  // namespace tern

#endif  // TERN_KERNELS_ATTENTION_H_
