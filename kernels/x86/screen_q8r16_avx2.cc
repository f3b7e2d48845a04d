// SPDX-License-Identifier: MIT
// screen_q8r16_avx2: a tile is two vectors of 8 rows, loaded once for four vectors of x.
//
// vpmaddubsw adds two products, at most 2 * 255 * 63 = 32,130 < 32,768 in magnitude, so nothing
// saturates; vpmaddwd widens the sum at once.
#include <immintrin.h>

#include "kernels/screen.h"
#include "kernels/variants.h"

namespace tern {
namespace {

// Columns x[0..3], for every row.
__m256i Broadcast4(const int8_t* x) {
  int32_t four;
  __builtin_memcpy(&four, x, sizeof(four));
  return _mm256_set1_epi32(four);
}

__m256i Load(const uint8_t* bytes) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes));
}

__m256i Add(__m256i sums, __m256i codes, __m256i x4) {
  const __m256i ones = _mm256_set1_epi16(1);
  return _mm256_add_epi32(sums, _mm256_madd_epi16(_mm256_maddubs_epi16(codes, x4), ones));
}

// One row group times vectors [v, v + kVectors).
template <int kVectors>
void GroupTimes(const GemmArgs& args, const uint8_t* weights, size_t row, size_t v) {
  const int8_t* x = args.x + v * args.x_stride;
  __m256i low[kVectors], high[kVectors];
  for (int i = 0; i < kVectors; ++i) low[i] = high[i] = _mm256_set1_epi32(-args.x_sums[v + i]);
  for (size_t col = 0; col < args.cols; col += kQ8R16Cols, weights += kQ8R16TileBytes) {
    const __m256i low_codes = Load(weights);
    const __m256i high_codes = Load(weights + 32);
    for (int i = 0; i < kVectors; ++i) {
      const __m256i x4 = Broadcast4(x + i * args.x_stride + col);
      low[i] = Add(low[i], low_codes, x4);
      high[i] = Add(high[i], high_codes, x4);
    }
  }
  for (int i = 0; i < kVectors; ++i) {
    int32_t* out = args.sums + (v + i) * args.sums_stride + row;
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), low[i]);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 8), high[i]);
  }
}

}  // namespace

void ScreenQ8R16Avx2(const GemmArgs& args) {
  const uint8_t* weights = args.weights;
  for (size_t row = 0; row < args.rows; row += kQ8R16Rows, weights += args.cols * kQ8R16Rows) {
    size_t v = 0;
    for (; v + 4 <= args.tokens; v += 4) GroupTimes<4>(args, weights, row, v);
    for (; v + 2 <= args.tokens; v += 2) GroupTimes<2>(args, weights, row, v);
    if (v < args.tokens) GroupTimes<1>(args, weights, row, v);
  }
}

}  // namespace tern
