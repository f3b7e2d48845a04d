// SPDX-License-Identifier: MIT
// The loops of NEON gemv, gemm and screen kernels, once for all packings whose tiles have 16 rows
// in 64 bytes. Included by exactly the files of such kernels, in whose anonymous namespaces it
// lives: see vector_ops_inl.h.
//
// A tile is four vectors of 4 rows, whose codes are unpacked once for kTokens tokens.
//
// Ops has kCols, a tile's columns; kColsBeforeTotal, a multiple of them, after which Sums must be
// totalled; the types X (activations of a tile's columns), Codes (of 4 rows of a tile) and Sums (of
// 4 rows); and static Begin(x_sum), what sums in 32 bits begin with; LoadX(x), Unpack(bytes),
// Zero(), Add(sums, codes, x) and Total(sums), the 4 rows' sums in 32 bits.
#ifndef TERN_KERNELS_ARM_GEMM_NEON_INL_H_
#define TERN_KERNELS_ARM_GEMM_NEON_INL_H_

#include <arm_neon.h>

#include "kernels/gemm.h"
#include "kernels/gemv.h"

namespace tern {
namespace {

constexpr int kVectors = 4;
constexpr size_t kVectorRows = 4;
constexpr size_t kVectorBytes = 16;
constexpr size_t kTileRows = kVectors * kVectorRows;
constexpr size_t kTileBytes = kVectors * kVectorBytes;

// Adds columns [begin, end) to totals[token][vector].
template <typename Ops, int kTokens>
void AddCols(const GemmArgs& args, const uint8_t* weights, const int8_t* x, size_t begin,
             size_t end, int32x4_t (*totals)[kVectors]) {
  typename Ops::Sums sums[kTokens][kVectors];
  for (auto& of_token : sums) {
    for (auto& of_rows : of_token) of_rows = Ops::Zero();
  }
  for (size_t col = begin; col < end; col += Ops::kCols, weights += kTileBytes) {
    typename Ops::X of_tokens[kTokens];
    for (int t = 0; t < kTokens; ++t) of_tokens[t] = Ops::LoadX(x + t * args.x_stride + col);
    for (int v = 0; v < kVectors; ++v) {
      const typename Ops::Codes codes = Ops::Unpack(weights + v * kVectorBytes);
      for (int t = 0; t < kTokens; ++t) sums[t][v] = Ops::Add(sums[t][v], codes, of_tokens[t]);
    }
  }
  for (int t = 0; t < kTokens; ++t) {
    for (int v = 0; v < kVectors; ++v) {
      totals[t][v] = vaddq_s32(totals[t][v], Ops::Total(sums[t][v]));
    }
  }
}

// One row group times tokens [token, token + kTokens).
template <typename Ops, int kTokens>
void RunTile(const GemmArgs& args, const uint8_t* weights, size_t row, size_t token) {
  int32x4_t totals[kTokens][kVectors];
  for (int t = 0; t < kTokens; ++t) {
    for (int32x4_t& total : totals[t]) total = Ops::Begin(args.x_sums[token + t]);
  }
  const int8_t* x = args.x + token * args.x_stride;
  for (size_t begin = 0; begin < args.cols; begin += Ops::kColsBeforeTotal) {
    const size_t rest = args.cols - begin;
    const size_t end = begin + (rest < Ops::kColsBeforeTotal ? rest : Ops::kColsBeforeTotal);
    const uint8_t* tile = weights + begin / Ops::kCols * kTileBytes;
    AddCols<Ops, kTokens>(args, tile, x, begin, end, totals);
  }
  for (int t = 0; t < kTokens; ++t) {
    int32_t* out = args.sums + (token + t) * args.sums_stride + row;
    for (int v = 0; v < kVectors; ++v) vst1q_s32(out + v * kVectorRows, totals[t][v]);
  }
}

// The last tokens, from `token` on: at most kTokens.
template <typename Ops, int kTokens>
void RunRest(const GemmArgs& args, const uint8_t* weights, size_t row, size_t token) {
  if (args.tokens - token == kTokens) return RunTile<Ops, kTokens>(args, weights, row, token);
  if constexpr (kTokens > 1) RunRest<Ops, kTokens - 1>(args, weights, row, token);
}

template <typename Ops, int kMaxTokens>
void RunGemm(const GemmArgs& args) {
  const size_t group_bytes = (args.cols + Ops::kCols - 1) / Ops::kCols * kTileBytes;
  const uint8_t* weights = args.weights;
  for (size_t row = 0; row < args.rows; row += kTileRows, weights += group_bytes) {
    size_t token = 0;
    for (; token + kMaxTokens <= args.tokens; token += kMaxTokens) {
      RunTile<Ops, kMaxTokens>(args, weights, row, token);
    }
    RunRest<Ops, kMaxTokens>(args, weights, row, token);
  }
}

template <typename Ops>
void RunGemv(const GemvArgs& args) {
  RunGemm<Ops, 1>({.weights = args.weights,
                   .x = args.x,
                   .x_stride = 0,
                   .x_sums = &args.x_sum,
                   .sums = args.sums,
                   .sums_stride = 0,
                   .rows = args.rows,
                   .cols = args.cols,
                   .tokens = 1});
}

}  // namespace
}  // namespace tern

#endif  // TERN_KERNELS_ARM_GEMM_NEON_INL_H_
