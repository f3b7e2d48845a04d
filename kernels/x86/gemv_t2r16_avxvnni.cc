// SPDX-License-Identifier: MIT
// gemv_t2r16_avxvnni: as gemv_t2r16_avx512vnni, a tile being two vectors of 8 rows.
#include "kernels/t2r16.h"
#include "kernels/variants.h"
#include "kernels/x86/avxvnni_inl.h"

namespace tern {
namespace {

// Codes keep their place in the byte and weigh 1, 4, 16 or 64 times too much; the four accumulators
// are shifted right once at the end, exactly. The heaviest takes at most 65,024 a tile: 32 bits
// hold it to 528,000 columns.
void HalfGroup(const GemvArgs& args, const uint8_t* weights, int32_t* sums) {
  __m256i parts[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                      _mm256_setzero_si256()};
  for (size_t col = 0; col < args.cols; col += kT2R16Cols, weights += kT2R16TileBytes) {
    const __m256i tile = Load(weights);
    for (int j = 0; j < 4; ++j) {
      const __m256i mask = _mm256_set1_epi8(static_cast<char>(3 << 2 * j));
      parts[j] = VnniProducts::Add(parts[j], _mm256_and_si256(tile, mask),
                                   Broadcast4(args.x + col + 4 * j));
    }
  }
  const __m256i code_sums = _mm256_add_epi32(
      _mm256_add_epi32(parts[0], _mm256_srai_epi32(parts[1], 2)),
      _mm256_add_epi32(_mm256_srai_epi32(parts[2], 4), _mm256_srai_epi32(parts[3], 6)));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums),
                      _mm256_sub_epi32(code_sums, _mm256_set1_epi32(args.x_sum)));
}

}  // namespace

void GemvT2R16AvxVnni(const GemvArgs& args) {
  const uint8_t* weights = args.weights;
  for (size_t row = 0; row < args.rows; row += kT2R16Rows) {
    HalfGroup(args, weights, args.sums + row);
    HalfGroup(args, weights + kT2R16TileBytes / 2, args.sums + row + 8);
    weights += args.cols / kT2R16Cols * kT2R16TileBytes;
  }
}

}  // namespace tern
