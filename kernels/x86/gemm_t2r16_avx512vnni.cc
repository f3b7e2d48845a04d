// SPDX-License-Identifier: MIT
// gemm_t2r16_avx512vnni: the codes of a tile are unpacked once for up to kMaxTokens tokens, whose
// sums stay in registers. One row is one 32-bit lane.
#include <immintrin.h>

#include "kernels/t2r16.h"
#include "kernels/variants.h"

namespace tern {
namespace {

// Columns x[0..3], for every row.
__m512i Broadcast4(const int8_t* x) {
  int32_t four;
  __builtin_memcpy(&four, x, sizeof(four));
  return _mm512_set1_epi32(four);
}

// sums[t] of kTokens tokens and one row group. A 32-bit lane holds at most 2 * 127 * cols.
template <int kTokens>
void GroupTimesTokens(const GemmArgs& args, const uint8_t* weights, size_t row, size_t token) {
  const __m512i low_bits = _mm512_set1_epi8(3);
  const int8_t* x = args.x + token * args.cols;
  __m512i sums[kTokens];
  for (int t = 0; t < kTokens; ++t) sums[t] = _mm512_set1_epi32(-args.x_sums[token + t]);
  for (size_t col = 0; col < args.cols; col += kT2R16Cols) {
    const __m512i tile = _mm512_loadu_si512(weights + col / kT2R16Cols * kT2R16TileBytes);
    const __m512i codes[4] = {_mm512_and_si512(tile, low_bits),
                              _mm512_and_si512(_mm512_srli_epi16(tile, 2), low_bits),
                              _mm512_and_si512(_mm512_srli_epi16(tile, 4), low_bits),
                              _mm512_and_si512(_mm512_srli_epi16(tile, 6), low_bits)};
    for (int j = 0; j < 4; ++j) {
      for (int t = 0; t < kTokens; ++t) {
        sums[t] =
            _mm512_dpbusd_epi32(sums[t], codes[j], Broadcast4(x + t * args.cols + col + 4 * j));
      }
    }
  }
  for (int t = 0; t < kTokens; ++t) {
    _mm512_storeu_si512(args.sums + (token + t) * args.sums_stride + row, sums[t]);
  }
}

}  // namespace

void GemmT2R16Avx512Vnni(const GemmArgs& args) {
  const uint8_t* weights = args.weights;
  for (size_t row = 0; row < args.rows; row += kT2R16Rows) {
    size_t token = 0;
    for (; token + 16 <= args.tokens; token += 16) GroupTimesTokens<16>(args, weights, row, token);
    for (; token + 8 <= args.tokens; token += 8) GroupTimesTokens<8>(args, weights, row, token);
    for (; token + 4 <= args.tokens; token += 4) GroupTimesTokens<4>(args, weights, row, token);
    for (; token < args.tokens; ++token) GroupTimesTokens<1>(args, weights, row, token);
    weights += args.cols / kT2R16Cols * kT2R16TileBytes;
  }
}

}  // namespace tern
