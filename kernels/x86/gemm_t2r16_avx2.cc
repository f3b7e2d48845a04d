// SPDX-License-Identifier: MIT
// gemm_t2r16_avx2: the codes of a tile, two vectors of 8 rows, are unpacked once for four tokens.
#include <immintrin.h>

#include "kernels/t2r16.h"
#include "kernels/variants.h"

namespace tern {
namespace {

// vpmaddubsw adds two products, at most 2 * 2 * 127 = 508 in magnitude, and a tile adds four of
// these to a 16-bit lane: 16 tiles make 64 * 508 = 32,512 < 32,768. Then the lanes are widened.
constexpr size_t kColsBeforeWidening = 16 * kT2R16Cols;

// Columns x[0..3], for every row.
__m256i Broadcast4(const int8_t* x) {
  int32_t four;
  __builtin_memcpy(&four, x, sizeof(four));
  return _mm256_set1_epi32(four);
}

__m256i Load(const uint8_t* bytes) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes));
}

// Sums of 16 rows: rows 0..7 and 8..15.
struct RowSums {
  __m256i low;
  __m256i high;
};

// Adds columns [begin, end), at most kColsBeforeWidening of them, to sums[t] of kTokens tokens.
template <int kTokens>
void AddCols(const GemmArgs& args, const uint8_t* weights, const int8_t* x, size_t begin,
             size_t end, RowSums* sums) {
  const __m256i low_bits = _mm256_set1_epi8(3);
  RowSums sums16[kTokens];
  for (RowSums& sum : sums16) sum = {_mm256_setzero_si256(), _mm256_setzero_si256()};
  for (size_t col = begin; col < end; col += kT2R16Cols) {
    const uint8_t* tile = weights + col / kT2R16Cols * kT2R16TileBytes;
    __m256i low_rows = Load(tile);
    __m256i high_rows = Load(tile + 32);
    for (int j = 0; j < 4; ++j) {
      const __m256i low_codes = _mm256_and_si256(low_rows, low_bits);
      const __m256i high_codes = _mm256_and_si256(high_rows, low_bits);
      for (int t = 0; t < kTokens; ++t) {
        const __m256i x4 = Broadcast4(x + t * args.x_stride + col + 4 * j);
        sums16[t].low = _mm256_add_epi16(sums16[t].low, _mm256_maddubs_epi16(low_codes, x4));
        sums16[t].high = _mm256_add_epi16(sums16[t].high, _mm256_maddubs_epi16(high_codes, x4));
      }
      low_rows = _mm256_srli_epi16(low_rows, 2);
      high_rows = _mm256_srli_epi16(high_rows, 2);
    }
  }
  const __m256i ones = _mm256_set1_epi16(1);
  for (int t = 0; t < kTokens; ++t) {
    sums[t].low = _mm256_add_epi32(sums[t].low, _mm256_madd_epi16(sums16[t].low, ones));
    sums[t].high = _mm256_add_epi32(sums[t].high, _mm256_madd_epi16(sums16[t].high, ones));
  }
}

// One row group times tokens [token, token + kTokens).
template <int kTokens>
void GroupTimesTokens(const GemmArgs& args, const uint8_t* weights, size_t row, size_t token) {
  RowSums sums[kTokens];
  for (int t = 0; t < kTokens; ++t) {
    const __m256i minus_x_sum = _mm256_set1_epi32(-args.x_sums[token + t]);
    sums[t] = {minus_x_sum, minus_x_sum};
  }
  for (size_t begin = 0; begin < args.cols; begin += kColsBeforeWidening) {
    const size_t rest = args.cols - begin;
    const size_t end = begin + (rest < kColsBeforeWidening ? rest : kColsBeforeWidening);
    AddCols<kTokens>(args, weights, args.x + token * args.x_stride, begin, end, sums);
  }
  for (int t = 0; t < kTokens; ++t) {
    int32_t* out = args.sums + (token + t) * args.sums_stride + row;
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), sums[t].low);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 8), sums[t].high);
  }
}

}  // namespace

void GemmT2R16Avx2(const GemmArgs& args) {
  const uint8_t* weights = args.weights;
  for (size_t row = 0; row < args.rows; row += kT2R16Rows) {
    size_t token = 0;
    for (; token + 4 <= args.tokens; token += 4) GroupTimesTokens<4>(args, weights, row, token);
    for (; token < args.tokens; ++token) GroupTimesTokens<1>(args, weights, row, token);
    weights += args.cols / kT2R16Cols * kT2R16TileBytes;
  }
}

}  // namespace tern
