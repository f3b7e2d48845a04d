// SPDX-License-Identifier: MIT
// gemm_t2r16_avx512vnni: two row groups times eight tokens at a time, the sums in 16 registers. The
// codes are unpacked once for all tokens, each broadcast of x serves both groups, and the two
// groups' weights stay in the cache over all tokens. One row is one 32-bit lane.
#include <immintrin.h>

#include "kernels/t2r16.h"
#include "kernels/variants.h"

namespace tern {
namespace {

// 8 tokens' rows of x, 4096 bytes apart in some models, still fit the 8 ways of one L1 set; 16 did
// not, and ran at a third of the speed.
constexpr int kMaxTokens = 8;

// Columns x[0..3], for every row.
__m512i Broadcast4(const int8_t* x) {
  int32_t four;
  __builtin_memcpy(&four, x, sizeof(four));
  return _mm512_set1_epi32(four);
}

// Row groups [row / 16, row / 16 + kGroups) times tokens [token, token + kTokens). A 32-bit lane
// holds at most 2 * 127 * cols.
template <int kGroups, int kTokens>
void RunTile(const GemmArgs& args, const uint8_t* weights, size_t row, size_t token) {
  const size_t group_bytes = args.cols / kT2R16Cols * kT2R16TileBytes;
  const __m512i low_bits = _mm512_set1_epi8(3);
  const int8_t* x = args.x + token * args.cols;
  __m512i sums[kGroups][kTokens];
  for (int t = 0; t < kTokens; ++t) {
    for (int g = 0; g < kGroups; ++g) sums[g][t] = _mm512_set1_epi32(-args.x_sums[token + t]);
  }
  for (size_t col = 0; col < args.cols; col += kT2R16Cols) {
    __m512i tiles[kGroups];
    for (int g = 0; g < kGroups; ++g) tiles[g] = _mm512_loadu_si512(weights + g * group_bytes);
    weights += kT2R16TileBytes;
    for (int j = 0; j < 4; ++j) {
      __m512i codes[kGroups];
      for (int g = 0; g < kGroups; ++g) {
        codes[g] = _mm512_and_si512(tiles[g], low_bits);
        tiles[g] = _mm512_srli_epi16(tiles[g], 2);
      }
      for (int t = 0; t < kTokens; ++t) {
        const __m512i x4 = Broadcast4(x + t * args.cols + col + 4 * j);
        for (int g = 0; g < kGroups; ++g) {
          sums[g][t] = _mm512_dpbusd_epi32(sums[g][t], codes[g], x4);
        }
      }
    }
  }
  for (int t = 0; t < kTokens; ++t) {
    int32_t* out = args.sums + (token + t) * args.sums_stride + row;
    for (int g = 0; g < kGroups; ++g) _mm512_storeu_si512(out + g * kT2R16Rows, sums[g][t]);
  }
}

// The last tokens, from `token` on: at most kTokens.
template <int kGroups, int kTokens>
void RunRest(const GemmArgs& args, const uint8_t* weights, size_t row, size_t token) {
  if (args.tokens - token == kTokens) return RunTile<kGroups, kTokens>(args, weights, row, token);
  if constexpr (kTokens > 1) RunRest<kGroups, kTokens - 1>(args, weights, row, token);
}

template <int kGroups>
void RunGroups(const GemmArgs& args, const uint8_t* weights, size_t row) {
  size_t token = 0;
  for (; token + kMaxTokens <= args.tokens; token += kMaxTokens) {
    RunTile<kGroups, kMaxTokens>(args, weights, row, token);
  }
  RunRest<kGroups, kMaxTokens - 1>(args, weights, row, token);
}

}  // namespace

void GemmT2R16Avx512Vnni(const GemmArgs& args) {
  const size_t row_bytes = args.cols / kT2R16Cols * (kT2R16TileBytes / kT2R16Rows);
  size_t row = 0;
  for (; row + kT2R16Rows < args.rows; row += 2 * kT2R16Rows) {
    RunGroups<2>(args, args.weights + row * row_bytes, row);
  }
  if (row < args.rows) RunGroups<1>(args, args.weights + row * row_bytes, row);
}

}  // namespace tern
