// SPDX-License-Identifier: MIT
// Sums of q8 attention (attention_q8_inl.h) in pairs of 256-bit vectors: what AVX2 and AVX-VNNI
// share. Included by those attention_<isa>.cc files alone, in whose anonymous namespaces it lives.
#ifndef TERN_KERNELS_X86_ATTENTION_AVX2_INL_H_
#define TERN_KERNELS_X86_ATTENTION_AVX2_INL_H_

#include "kernels/attention_q8_inl.h"
#include "kernels/x86/avx2_inl.h"
#include "kernels/x86/lanes_avx2.h"

namespace tern {
namespace {

// Products::Add(sums, codes, x4) adds to each lane of 32 bits its four bytes of codes times those
// of x4. A lane holds at most 255 * 63 for each column or token.
template <typename Products>
struct Avx2Q8Sums {
  using Codes = Rows;
  Rows v;

  static Codes Load(const uint8_t* tile) { return LoadRows(tile); }
  static Avx2Q8Sums Begin(int32_t x_sum) { return {SetRows(-x_sum)}; }
  void Add(const Codes& codes, const int8_t* x) {
    const __m256i x4 = Broadcast4(x);
    v = {Products::Add(v.low, codes.low, x4), Products::Add(v.high, codes.high, x4)};
  }
  static Avx2Lanes Join(const Avx2Q8Sums& high, const Avx2Q8Sums& low) {
    return {JoinEight(high.v.low, low.v.low), JoinEight(high.v.high, low.v.high)};
  }

 private:
  static __m256 JoinEight(__m256i high, __m256i low) {
    static_assert(kQ8DigitBase == (1 << 7) - 1);
    const __m256i times_base = _mm256_sub_epi32(_mm256_slli_epi32(high, 7), high);
    return _mm256_cvtepi32_ps(_mm256_add_epi32(times_base, low));
  }
};

}  // namespace
}  // namespace tern

#endif  // TERN_KERNELS_X86_ATTENTION_AVX2_INL_H_
