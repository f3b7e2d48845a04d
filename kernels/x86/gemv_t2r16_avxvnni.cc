// SPDX-License-Identifier: MIT
// gemv_t2r16_avxvnni: as gemv_t2r16_avx512vnni, a tile being two vectors of 8 rows.
#include "kernels/prefetch_inl.h"
#include "kernels/t2r16.h"
#include "kernels/variants.h"
#include "kernels/x86/avxvnni_inl.h"

namespace tern {
namespace {

// Codes keep their place in the byte and weigh 1, 4, 16 or 64 times too much; the four accumulators
// are shifted right once at the end, exactly. The heaviest takes at most 65,024 a tile: 32 bits
// hold it to 528,000 columns.
struct Parts {
  __m256i of[4];

  __m256i Sum() const {
    return _mm256_add_epi32(
        _mm256_add_epi32(of[0], _mm256_srai_epi32(of[1], 2)),
        _mm256_add_epi32(_mm256_srai_epi32(of[2], 4), _mm256_srai_epi32(of[3], 6)));
  }
};

// Both halves of a row group in one pass: in two, a Zen 4 core reads 24 instead of 32 GB/s from
// memory.
Rows GroupSums(const uint8_t* weights, const int8_t* x, size_t cols) {
  Parts low, high;
  for (int j = 0; j < 4; ++j) low.of[j] = high.of[j] = _mm256_setzero_si256();
  for (size_t col = 0; col < cols; col += kT2R16Cols, weights += kT2R16TileBytes) {
    const Rows tile = LoadRows(weights);
    PrefetchStream(weights);
    for (int j = 0; j < 4; ++j) {
      const __m256i mask = _mm256_set1_epi8(static_cast<char>(3 << 2 * j));
      const __m256i x4 = Broadcast4(x + col + 4 * j);
      low.of[j] = VnniProducts::Add(low.of[j], _mm256_and_si256(tile.low, mask), x4);
      high.of[j] = VnniProducts::Add(high.of[j], _mm256_and_si256(tile.high, mask), x4);
    }
  }
  return {low.Sum(), high.Sum()};
}

}  // namespace

void GemvT2R16AvxVnni(const GemvArgs& args) {
  const uint8_t* weights = args.weights;
  for (size_t row = 0; row < args.rows; row += kT2R16Rows) {
    const Rows code_sums = GroupSums(weights, args.x, args.cols);
    StoreRows(Add32(code_sums, SetRows(-args.x_sum)), args.sums + row);
    weights += args.cols / kT2R16Cols * kT2R16TileBytes;
  }
}

}  // namespace tern
