// SPDX-License-Identifier: MIT
// gemv_t2r16_avx512vnni: one tile is one vector, one row one 32-bit lane.
#include <immintrin.h>

#include "kernels/prefetch_inl.h"
#include "kernels/t2r16.h"
#include "kernels/variants.h"
#include "kernels/x86/avx512_inl.h"

namespace tern {
namespace {

// Adds to `sums` the products of the codes that `mask` leaves in `tile`. They keep their place in
// the byte, so they weigh 1, 4, 16 or 64 times too much.
__m512i AddMasked(__m512i sums, __m512i tile, int mask, const int8_t* x) {
  const __m512i codes = _mm512_and_si512(tile, _mm512_set1_epi8(static_cast<char>(mask)));
  return _mm512_dpbusd_epi32(sums, codes, Broadcast4(x));
}

// Four accumulators, one for each two bits of a byte, are shifted right once at the end: exact,
// for each is a multiple of its weight. The heaviest takes at most 4 * (2 * 64) * 127 = 65,024 a
// tile in magnitude, so 32 bits hold it to 33,026 tiles, 528,000 columns.
__m512i GroupSums(const uint8_t* weights, const int8_t* x, size_t cols) {
  __m512i sums1 = _mm512_setzero_si512();
  __m512i sums4 = _mm512_setzero_si512();
  __m512i sums16 = _mm512_setzero_si512();
  __m512i sums64 = _mm512_setzero_si512();
  for (size_t col = 0; col < cols; col += kT2R16Cols, weights += kT2R16TileBytes) {
    const __m512i tile = _mm512_loadu_si512(weights);
    PrefetchStream(weights);
    sums1 = AddMasked(sums1, tile, 0x03, x + col);
    sums4 = AddMasked(sums4, tile, 0x0C, x + col + 4);
    sums16 = AddMasked(sums16, tile, 0x30, x + col + 8);
    sums64 = AddMasked(sums64, tile, 0xC0, x + col + 12);
  }
  return _mm512_add_epi32(
      _mm512_add_epi32(sums1, _mm512_srai_epi32(sums4, 2)),
      _mm512_add_epi32(_mm512_srai_epi32(sums16, 4), _mm512_srai_epi32(sums64, 6)));
}

}  // namespace

void GemvT2R16Avx512Vnni(const GemvArgs& args) {
  const uint8_t* weights = args.weights;
  for (size_t row = 0; row < args.rows; row += kT2R16Rows) {
    const __m512i code_sums = GroupSums(weights, args.x, args.cols);
    _mm512_storeu_si512(args.sums + row,
                        _mm512_sub_epi32(code_sums, _mm512_set1_epi32(args.x_sum)));
    weights += args.cols / kT2R16Cols * kT2R16TileBytes;
  }
}

}  // namespace tern
