// SPDX-License-Identifier: MIT
// group_gemm_t2r16_avx2: two vectors of 8 rows, sums of 16 bits within a group.
#include <immintrin.h>

#include "kernels/group_gemm_inl.h"
#include "kernels/variants.h"

namespace tern {
namespace {

// Rows 0..7 and 8..15.
struct Halves {
  __m256i low;
  __m256i high;
};

struct Avx2GroupOps {
  using Tile = Halves;
  using Codes = Halves;
  // Two 16-bit sums a row, for columns 0, 1 and 2, 3 of each four. vpmaddubsw adds two products, at
  // most 2 * 2 * 127 = 508 in magnitude, 64 times in a group of 256 columns: 32,512 < 32,768.
  using Sums = Halves;
  struct Floats {
    __m256 low;
    __m256 high;
  };

  static Tile Load(const uint8_t* bytes) {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes)),
            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes + 32))};
  }
  static Codes NextCodes(Tile& tile) {
    const __m256i low_bits = _mm256_set1_epi8(3);
    const Codes codes = {_mm256_and_si256(tile.low, low_bits),
                         _mm256_and_si256(tile.high, low_bits)};
    tile = {_mm256_srli_epi16(tile.low, 2), _mm256_srli_epi16(tile.high, 2)};
    return codes;
  }
  static Floats Zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static Sums ZeroSums() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
  static Sums Add(Sums sums, Codes codes, const int8_t* x) {
    int32_t four;
    __builtin_memcpy(&four, x, sizeof(four));
    const __m256i x4 = _mm256_set1_epi32(four);
    return {_mm256_add_epi16(sums.low, _mm256_maddubs_epi16(codes.low, x4)),
            _mm256_add_epi16(sums.high, _mm256_maddubs_epi16(codes.high, x4))};
  }
  static Floats AddScaled(Floats out, const Sums* digits, int32_t x_sum, const float* scales) {
    return {AddScaledEight(out.low, digits[0].low, digits[1].low, digits[2].low, x_sum, scales),
            AddScaledEight(out.high, digits[0].high, digits[1].high, digits[2].high, x_sum,
                           scales + 8)};
  }
  static void Store(Floats floats, float* out) {
    _mm256_storeu_ps(out, floats.low);
    _mm256_storeu_ps(out + 8, floats.high);
  }

 private:
  // vpmaddwd adds the two sums of a row; the upper digit's are multiplied by the base on the way.
  static __m256 AddScaledEight(__m256 out, __m256i first, __m256i second, __m256i third,
                               int32_t x_sum, const float* scales) {
    const __m256i ones = _mm256_set1_epi16(1);
    const __m256i upper = _mm256_add_epi32(_mm256_madd_epi16(first, _mm256_set1_epi16(kWideBase)),
                                           _mm256_madd_epi16(second, ones));
    const __m256i whole = _mm256_add_epi32(_mm256_mullo_epi32(upper, _mm256_set1_epi32(kWideBase)),
                                           _mm256_madd_epi16(third, ones));
    const __m256i sum = _mm256_sub_epi32(whole, _mm256_set1_epi32(x_sum));
    return _mm256_add_ps(out, _mm256_mul_ps(_mm256_loadu_ps(scales), _mm256_cvtepi32_ps(sum)));
  }
};

}  // namespace

void GroupGemmT2R16Avx2(const GroupGemmArgs& args) { RunGroupGemm<Avx2GroupOps, 2>(args); }

}  // namespace tern
