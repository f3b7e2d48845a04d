// SPDX-License-Identifier: MIT
// gemv_t2r16_avx2: a tile is two vectors of 8 rows; one row is one 32-bit lane, two 16-bit ones on
// the way.
#include "kernels/prefetch_inl.h"
#include "kernels/t2r16.h"
#include "kernels/variants.h"
#include "kernels/x86/avx2_inl.h"

namespace tern {
namespace {

// vpmaddubsw adds two products, at most 2 * 2 * 127 = 508 in magnitude, and a tile adds four of
// these to a 16-bit lane: 16 tiles make 64 * 508 = 32,512 < 32,768. Then the lanes are widened.
constexpr size_t kColsBeforeWidening = 16 * kT2R16Cols;

// The sums of 8 rows, from half a tile at `weights`, in 16-bit lanes.
__m256i HalfTileSums(const uint8_t* weights, const int8_t* x) {
  const __m256i low_bits = _mm256_set1_epi8(3);
  const __m256i tile = Load(weights);
  const __m256i codes0 = _mm256_and_si256(tile, low_bits);
  const __m256i codes1 = _mm256_and_si256(_mm256_srli_epi16(tile, 2), low_bits);
  const __m256i codes2 = _mm256_and_si256(_mm256_srli_epi16(tile, 4), low_bits);
  const __m256i codes3 = _mm256_and_si256(_mm256_srli_epi16(tile, 6), low_bits);
  return _mm256_add_epi16(_mm256_add_epi16(_mm256_maddubs_epi16(codes0, Broadcast4(x)),
                                           _mm256_maddubs_epi16(codes1, Broadcast4(x + 4))),
                          _mm256_add_epi16(_mm256_maddubs_epi16(codes2, Broadcast4(x + 8)),
                                           _mm256_maddubs_epi16(codes3, Broadcast4(x + 12))));
}

__m256i Widen(__m256i sums16) { return _mm256_madd_epi16(sums16, _mm256_set1_epi16(1)); }

void StoreSums(__m256i code_sums, int32_t x_sum, int32_t* sums) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums),
                      _mm256_sub_epi32(code_sums, _mm256_set1_epi32(x_sum)));
}

void GroupSums(const GemvArgs& args, const uint8_t* weights, int32_t* sums) {
  __m256i low_rows = _mm256_setzero_si256();
  __m256i high_rows = _mm256_setzero_si256();
  for (size_t begin = 0; begin < args.cols; begin += kColsBeforeWidening) {
    const size_t rest = args.cols - begin;
    const size_t end = begin + (rest < kColsBeforeWidening ? rest : kColsBeforeWidening);
    __m256i low_rows16 = _mm256_setzero_si256();
    __m256i high_rows16 = _mm256_setzero_si256();
    for (size_t col = begin; col < end; col += kT2R16Cols) {
      const uint8_t* tile = weights + col / kT2R16Cols * kT2R16TileBytes;
      PrefetchStream(tile);
      low_rows16 = _mm256_add_epi16(low_rows16, HalfTileSums(tile, args.x + col));
      high_rows16 = _mm256_add_epi16(high_rows16, HalfTileSums(tile + 32, args.x + col));
    }
    low_rows = _mm256_add_epi32(low_rows, Widen(low_rows16));
    high_rows = _mm256_add_epi32(high_rows, Widen(high_rows16));
  }
  StoreSums(low_rows, args.x_sum, sums);
  StoreSums(high_rows, args.x_sum, sums + 8);
}

}  // namespace

void GemvT2R16Avx2(const GemvArgs& args) {
  const uint8_t* weights = args.weights;
  for (size_t row = 0; row < args.rows; row += kT2R16Rows) {
    GroupSums(args, weights, args.sums + row);
    weights += args.cols / kT2R16Cols * kT2R16TileBytes;
  }
}

}  // namespace tern
