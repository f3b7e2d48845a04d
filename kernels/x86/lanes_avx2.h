// SPDX-License-Identifier: MIT
// 16 floats in two registers; binary16 by F16C. For the loops of vector_ops_inl.h and
// attention_inl.h.
#ifndef TERN_KERNELS_X86_LANES_AVX2_H_
#define TERN_KERNELS_X86_LANES_AVX2_H_

#include <immintrin.h>

#include <cstdint>

namespace tern {
namespace {

__m256 LoadEightF16(const uint16_t* x) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x)));
}

__m256 LoadEightBf16(const uint16_t* x) {
  const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}

void StoreEightF16(__m256 v, uint16_t* x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(x), _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

__m256 AbsEight(__m256 v) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v); }

__m256 SelectLessEight(__m256 a, __m256 b, __m256 yes, __m256 no) {
  return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}

__m256 ExponentBitsEight(__m256 v) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(v), 23));
}

struct Avx2Lanes {
  __m256 low;   // lanes 0..7
  __m256 high;  // lanes 8..15

  static Avx2Lanes Broadcast(float value) { return {_mm256_set1_ps(value), _mm256_set1_ps(value)}; }
  static Avx2Lanes Load(const float* x) { return {_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8)}; }
  static Avx2Lanes LoadF16(const uint16_t* x) { return {LoadEightF16(x), LoadEightF16(x + 8)}; }
  static Avx2Lanes LoadBf16(const uint16_t* x) { return {LoadEightBf16(x), LoadEightBf16(x + 8)}; }
  void Store(float* x) const {
    _mm256_storeu_ps(x, low);
    _mm256_storeu_ps(x + 8, high);
  }
  void StoreF16(uint16_t* x) const {
    StoreEightF16(low, x);
    StoreEightF16(high, x + 8);
  }
  void StoreInt8(int8_t* x) const {
    // Conversion rounds half to even. The packing works by 128-bit halves: the 64-bit quarters of
    // the 16-bit lanes come out as 0, 2, 1, 3.
    const __m256i pairs = _mm256_packs_epi32(_mm256_cvtps_epi32(low), _mm256_cvtps_epi32(high));
    const __m256i words = _mm256_permute4x64_epi64(pairs, _MM_SHUFFLE(3, 1, 2, 0));
    _mm_storeu_si128(
        reinterpret_cast<__m128i*>(x),
        _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
  }

  friend Avx2Lanes operator+(Avx2Lanes a, Avx2Lanes b) {
    return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
  }
  friend Avx2Lanes operator-(Avx2Lanes a, Avx2Lanes b) {
    return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)};
  }
  friend Avx2Lanes operator*(Avx2Lanes a, Avx2Lanes b) {
    return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
  }
  friend Avx2Lanes operator/(Avx2Lanes a, Avx2Lanes b) {
    return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)};
  }
  static Avx2Lanes Times(const float* x, Avx2Lanes v) { return Broadcast(*x) * v; }
  Avx2Lanes Round() const {
    constexpr int kHalfToEven = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    return {_mm256_round_ps(low, kHalfToEven), _mm256_round_ps(high, kHalfToEven)};
  }
  static Avx2Lanes Max(Avx2Lanes a, Avx2Lanes b) {
    return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)};
  }
  static Avx2Lanes SelectLess(Avx2Lanes a, Avx2Lanes b, Avx2Lanes yes, Avx2Lanes no) {
    return {SelectLessEight(a.low, b.low, yes.low, no.low),
            SelectLessEight(a.high, b.high, yes.high, no.high)};
  }
  static Avx2Lanes ExponentBits(Avx2Lanes a) {
    return {ExponentBitsEight(a.low), ExponentBitsEight(a.high)};
  }
  Avx2Lanes Abs() const { return {AbsEight(low), AbsEight(high)}; }
  float FoldSum() const {
    const __m256 eight = _mm256_add_ps(low, high);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  float FoldMax() const {
    const __m256 eight = _mm256_max_ps(low, high);
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
  }
};

}  // namespace
}  // namespace tern

#endif  // TERN_KERNELS_X86_LANES_AVX2_H_
