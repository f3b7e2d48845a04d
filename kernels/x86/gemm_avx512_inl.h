// SPDX-License-Identifier: MIT
// The loops of AVX-512 gemm kernels, once for all packings whose tiles have 16 rows in 64 bytes.
// Included by exactly the gemm_<packing>_avx512*.cc files, in whose anonymous namespaces it lives:
// see vector_ops_inl.h.
//
// Two row groups times eight tokens at a time, the sums in 16 registers. The codes are unpacked
// once for all tokens, each broadcast of x serves both groups, and the two groups' weights stay in
// the cache over all tokens, while the two that follow are fetched. One row is one 32-bit lane.
//
// Tile has kCols, kIsStored, whether tiles are what is stored, in memory, and static
// Codes(bytes, codes), which unpacks a tile into kCols / 4 vectors: of each row, four consecutive
// codes.
#ifndef TERN_KERNELS_X86_GEMM_AVX512_INL_H_
#define TERN_KERNELS_X86_GEMM_AVX512_INL_H_

#include <immintrin.h>

#include "kernels/gemm.h"
#include "kernels/prefetch_inl.h"
#include "kernels/x86/avx512_inl.h"

namespace tern {
namespace {

constexpr size_t kTileRows = 16;
constexpr size_t kTileBytes = 64;
constexpr int kMaxTokens = 8;

template <typename Tile>
size_t GroupBytes(size_t cols) {
  return (cols + Tile::kCols - 1) / Tile::kCols * kTileBytes;
}

// Whether sums begin with minus x_sums, as codes are one more than trits, or go on from what is
// there: of the columns before.
enum class Begin { kMinusXSums, kSums };

// How far ahead of each row group's tiles others are fetched; 0: none are.
struct Ahead {
  size_t bytes[2];
};

// Row groups [row / 16, row / 16 + kGroups) times tokens [token, token + kTokens). A 32-bit lane
// holds at most 2 * 127 * cols.
//
// GCC 12 has all sums in registers only if each loop over them is unrolled early. In the short loop
// over a panel it also copies every one of them in each step, which takes a third longer, unless an
// empty statement takes them in their places.
template <typename Tile, Begin kBegin, int kGroups, int kTokens>
void RunTile(const GemmArgs& args, const uint8_t* weights, Ahead ahead, size_t row, size_t token) {
  const size_t group_bytes = GroupBytes<Tile>(args.cols);
  const int8_t* x = args.x + token * args.x_stride;
  int32_t* out = args.sums + token * args.sums_stride + row;
  __m512i sums[kGroups][kTokens];
#pragma GCC unroll 8
  for (int t = 0; t < kTokens; ++t) {
#pragma GCC unroll 2
    for (int g = 0; g < kGroups; ++g) {
      sums[g][t] = kBegin == Begin::kMinusXSums
                       ? _mm512_set1_epi32(-args.x_sums[token + t])
                       : _mm512_loadu_si512(out + t * args.sums_stride + g * kTileRows);
    }
  }
  for (size_t col = 0; col < args.cols; col += Tile::kCols) {
    __m512i codes[kGroups][Tile::kCols / 4];
#pragma GCC unroll 2
    for (int g = 0; g < kGroups; ++g) {
      const uint8_t* tile = weights + g * group_bytes;
      Tile::Codes(tile, codes[g]);
      if constexpr (Tile::kIsStored) PrefetchNextGroups(tile + ahead.bytes[g]);
    }
    weights += kTileBytes;
    for (size_t j = 0; j < Tile::kCols / 4; ++j) {
#pragma GCC unroll 8
      for (int t = 0; t < kTokens; ++t) {
        const __m512i x4 = Broadcast4(x + t * args.x_stride + col + 4 * j);
#pragma GCC unroll 2
        for (int g = 0; g < kGroups; ++g) {
          sums[g][t] = _mm512_dpbusd_epi32(sums[g][t], codes[g][j], x4);
          if constexpr (!Tile::kIsStored) asm("" : "+v"(sums[g][t]));
        }
      }
    }
  }
#pragma GCC unroll 8
  for (int t = 0; t < kTokens; ++t) {
#pragma GCC unroll 2
    for (int g = 0; g < kGroups; ++g) {
      _mm512_storeu_si512(out + t * args.sums_stride + g * kTileRows, sums[g][t]);
    }
  }
}

// The last tokens, from `token` on: at most kTokens.
template <typename Tile, Begin kBegin, int kGroups, int kTokens>
void RunRest(const GemmArgs& args, const uint8_t* weights, Ahead ahead, size_t row, size_t token) {
  if (args.tokens - token == kTokens) {
    return RunTile<Tile, kBegin, kGroups, kTokens>(args, weights, ahead, row, token);
  }
  if constexpr (kTokens > 1) {
    RunRest<Tile, kBegin, kGroups, kTokens - 1>(args, weights, ahead, row, token);
  }
}

// Of the row groups that follow, one is fetched with the first tokens and one with those after
// them; both if there are no such.
template <typename Tile, Begin kBegin, int kGroups>
void RunGroups(const GemmArgs& args, const uint8_t* weights, size_t row) {
  const size_t next = kGroups * GroupBytes<Tile>(args.cols);
  Ahead ahead = {next, args.tokens <= kMaxTokens ? next : 0};
  size_t token = 0;
  for (; token + kMaxTokens <= args.tokens; token += kMaxTokens) {
    RunTile<Tile, kBegin, kGroups, kMaxTokens>(args, weights, ahead, row, token);
    ahead = {0, token == 0 ? next : 0};
  }
  RunRest<Tile, kBegin, kGroups, kMaxTokens - 1>(args, weights, ahead, row, token);
}

template <typename Tile>
void RunGemm(const GemmArgs& args) {
  const size_t group_bytes = GroupBytes<Tile>(args.cols);
  const uint8_t* weights = args.weights;
  size_t row = 0;
  for (; row + kTileRows < args.rows; row += 2 * kTileRows) {
    RunGroups<Tile, Begin::kMinusXSums, 2>(args, weights, row);
    weights += 2 * group_bytes;
  }
  if (row < args.rows) RunGroups<Tile, Begin::kMinusXSums, 1>(args, weights, row);
}

}  // namespace
}  // namespace tern

#endif  // TERN_KERNELS_X86_GEMM_AVX512_INL_H_
