// SPDX-License-Identifier: MIT
// gemv_b3r16_avx512vbmi: one tile is one vector, one row one 32-bit lane.
#include <immintrin.h>

#include "kernels/prefetch_inl.h"
#include "kernels/variants.h"
#include "kernels/x86/avx512_inl.h"
#include "kernels/x86/b3r16_avx512_inl.h"

namespace tern {
namespace {

// Codes keep their place in the byte, so they weigh 1, 4, 16 or 64 times too much; the
// accumulators are shifted right once at the end: exact, for each is a multiple of its weight. The
// heaviest takes at most 4 * (2 * 64) * 127 = 65,024 a tile in magnitude, so 32 bits hold it to
// 33,026 tiles, 660,520 columns.
__m512i GroupSums(const uint8_t* weights, const int8_t* x, size_t cols) {
  __m512i sums1 = _mm512_setzero_si512();
  __m512i sums4 = _mm512_setzero_si512();
  __m512i sums16 = _mm512_setzero_si512();
  __m512i sums64 = _mm512_setzero_si512();
  __m512i fifths = _mm512_setzero_si512();
  const auto masked = [](__m512i codes, int mask) {
    return _mm512_and_si512(codes, _mm512_set1_epi8(static_cast<char>(mask)));
  };
  for (size_t col = 0; col < cols; col += kB3R16Cols, weights += kB3R16TileBytes) {
    const B3R16Vectors tile = UnpackB3R16(weights);
    PrefetchStream(weights);
    sums1 = _mm512_dpbusd_epi32(sums1, masked(tile.four, 0x03), Broadcast4(x + col));
    sums4 = _mm512_dpbusd_epi32(sums4, masked(tile.four, 0x0C), Broadcast4(x + col + 4));
    sums16 = _mm512_dpbusd_epi32(sums16, masked(tile.four, 0x30), Broadcast4(x + col + 8));
    sums64 = _mm512_dpbusd_epi32(sums64, masked(tile.four, 0xC0), Broadcast4(x + col + 12));
    fifths = _mm512_dpbusd_epi32(fifths, tile.fifth, Broadcast4(x + col + 16));
  }
  const __m512i low = _mm512_add_epi32(sums1, _mm512_srai_epi32(sums4, 2));
  const __m512i high = _mm512_add_epi32(_mm512_srai_epi32(sums16, 4), _mm512_srai_epi32(sums64, 6));
  return _mm512_add_epi32(_mm512_add_epi32(low, high), _mm512_srai_epi32(fifths, 6));
}

}  // namespace

void GemvB3R16Avx512Vbmi(const GemvArgs& args) {
  const uint8_t* weights = args.weights;
  for (size_t row = 0; row < args.rows; row += kB3R16Rows) {
    const __m512i code_sums = GroupSums(weights, args.x, args.cols);
    _mm512_storeu_si512(args.sums + row,
                        _mm512_sub_epi32(code_sums, _mm512_set1_epi32(args.x_sum)));
    weights += (args.cols + kB3R16Cols - 1) / kB3R16Cols * kB3R16TileBytes;
  }
}

}  // namespace tern
