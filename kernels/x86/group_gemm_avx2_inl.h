// SPDX-License-Identifier: MIT
// The operations of group_gemm_inl.h on pairs of 32-byte vectors, for Products as Avx2Products.
// Included by exactly the group_gemm_t2r16_{avx2,avxvnni}.cc files, in whose anonymous namespaces
// it lives: see vector_ops_inl.h.
#ifndef TERN_KERNELS_X86_GROUP_GEMM_AVX2_INL_H_
#define TERN_KERNELS_X86_GROUP_GEMM_AVX2_INL_H_

#include "kernels/group_gemm_inl.h"
#include "kernels/x86/avx2_inl.h"

namespace tern {
namespace {

template <typename Products>
struct GroupOps {
  using Tile = Rows;
  using Codes = Rows;
  using Sums = Rows;
  struct Floats {
    __m256 low;
    __m256 high;
  };

  static_assert(kMaxGroupCols <= Products::kColsBeforeWidening);

  static Tile Load(const uint8_t* bytes) { return LoadRows(bytes); }
  static Codes NextCodes(Tile& tile) {
    const __m256i low_bits = _mm256_set1_epi8(3);
    const Codes codes = {_mm256_and_si256(tile.low, low_bits),
                         _mm256_and_si256(tile.high, low_bits)};
    tile = {_mm256_srli_epi16(tile.low, 2), _mm256_srli_epi16(tile.high, 2)};
    return codes;
  }
  static Floats Zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static Sums ZeroSums() { return SetRows(0); }
  static Sums Add(Sums sums, Codes codes, const int8_t* x) {
    AddProducts<Products>(sums, codes, x);
    return sums;
  }
  static Floats AddScaled(Floats out, const Sums* digits, int32_t x_sum, const float* scales) {
    const Rows first = Products::Widen(digits[0]), second = Products::Widen(digits[1]),
               third = Products::Widen(digits[2]);
    return {AddScaledEight(out.low, first.low, second.low, third.low, x_sum, scales),
            AddScaledEight(out.high, first.high, second.high, third.high, x_sum, scales + 8)};
  }
  static void Store(Floats floats, float* out) {
    _mm256_storeu_ps(out, floats.low);
    _mm256_storeu_ps(out + 8, floats.high);
  }

 private:
  static __m256 AddScaledEight(__m256 out, __m256i first, __m256i second, __m256i third,
                               int32_t x_sum, const float* scales) {
    const __m256i base = _mm256_set1_epi32(kWideBase);
    const __m256i upper = _mm256_add_epi32(_mm256_mullo_epi32(first, base), second);
    const __m256i whole = _mm256_add_epi32(_mm256_mullo_epi32(upper, base), third);
    const __m256i sum = _mm256_sub_epi32(whole, _mm256_set1_epi32(x_sum));
    return _mm256_add_ps(out, _mm256_mul_ps(_mm256_loadu_ps(scales), _mm256_cvtepi32_ps(sum)));
  }
};

}  // namespace
}  // namespace tern

#endif  // TERN_KERNELS_X86_GROUP_GEMM_AVX2_INL_H_
