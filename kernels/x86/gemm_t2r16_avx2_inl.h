// SPDX-License-Identifier: MIT
// The loops of gemm_t2r16_avx2 and gemm_t2r16_avxvnni, in whose anonymous namespaces it lives: see
// vector_ops_inl.h. The codes of a tile are unpacked once for so many tokens as have their sums in
// registers; with the first of them the row group that follows is fetched. Products is as
// Avx2Products.
#ifndef TERN_KERNELS_X86_GEMM_T2R16_AVX2_INL_H_
#define TERN_KERNELS_X86_GEMM_T2R16_AVX2_INL_H_

#include "kernels/gemm.h"
#include "kernels/prefetch_inl.h"
#include "kernels/t2r16.h"
#include "kernels/x86/avx2_inl.h"

namespace tern {
namespace {

// Adds `tiles` tiles, no more columns than sums hold before they are widened, times kTokens rows of
// x to totals, [kTokens]. Fetches what lies `ahead` bytes behind them; 0: nothing.
template <typename Products, int kTokens>
void AddTiles(const uint8_t* weights, size_t ahead, size_t tiles, const int8_t* x, size_t x_stride,
              Rows* totals) {
  const __m256i low_bits = _mm256_set1_epi8(3);
  Rows sums[kTokens];
  for (Rows& sum : sums) sum = SetRows(0);
  for (size_t tile = 0; tile < tiles; ++tile, weights += kT2R16TileBytes, x += kT2R16Cols) {
    Rows rest = LoadRows(weights);
    PrefetchNextGroups(weights + ahead);
    for (int j = 0; j < 4; ++j) {
      const Rows codes = {_mm256_and_si256(rest.low, low_bits),
                          _mm256_and_si256(rest.high, low_bits)};
#pragma GCC unroll 8
      for (int t = 0; t < kTokens; ++t) {
        AddProducts<Products>(sums[t], codes, x + t * x_stride + 4 * j);
      }
      rest = {_mm256_srli_epi16(rest.low, 2), _mm256_srli_epi16(rest.high, 2)};
    }
  }
  for (int t = 0; t < kTokens; ++t) totals[t] = Add32(totals[t], Products::Widen(sums[t]));
}

// One row group times tokens [token, token + kTokens).
template <typename Products, int kTokens>
void RunTile(const GemmArgs& args, const uint8_t* weights, size_t row, size_t token) {
  constexpr size_t kTiles = Products::kColsBeforeWidening / kT2R16Cols;
  Rows totals[kTokens];
  for (int t = 0; t < kTokens; ++t) totals[t] = SetRows(-args.x_sums[token + t]);
  const int8_t* x = args.x + token * args.x_stride;
  const size_t tiles = args.cols / kT2R16Cols;
  const size_t ahead = token == 0 ? tiles * kT2R16TileBytes : 0;
  for (size_t tile = 0; tile < tiles; tile += kTiles) {
    const size_t count = tiles - tile < kTiles ? tiles - tile : kTiles;
    AddTiles<Products, kTokens>(weights + tile * kT2R16TileBytes, ahead, count,
                                x + tile * kT2R16Cols, args.x_stride, totals);
  }
  for (int t = 0; t < kTokens; ++t) {
    StoreRows(totals[t], args.sums + (token + t) * args.sums_stride + row);
  }
}

// The last tokens, from `token` on: at most kTokens.
template <typename Products, int kTokens>
void RunRest(const GemmArgs& args, const uint8_t* weights, size_t row, size_t token) {
  if (args.tokens - token == kTokens) {
    return RunTile<Products, kTokens>(args, weights, row, token);
  }
  if constexpr (kTokens > 1) RunRest<Products, kTokens - 1>(args, weights, row, token);
}

template <typename Products, int kMaxTokens>
void RunGemm(const GemmArgs& args) {
  const uint8_t* weights = args.weights;
  for (size_t row = 0; row < args.rows; row += kT2R16Rows) {
    size_t token = 0;
    for (; token + kMaxTokens <= args.tokens; token += kMaxTokens) {
      RunTile<Products, kMaxTokens>(args, weights, row, token);
    }
    RunRest<Products, kMaxTokens - 1>(args, weights, row, token);
    weights += args.cols / kT2R16Cols * kT2R16TileBytes;
  }
}

}  // namespace
}  // namespace tern

#endif  // TERN_KERNELS_X86_GEMM_T2R16_AVX2_INL_H_
