// SPDX-License-Identifier: MIT
// 16 floats in one register, for the loops of vector_ops_inl.h and attention_inl.h. Takes AVX-512 F
// only.
#ifndef TERN_KERNELS_X86_LANES_AVX512_H_
#define TERN_KERNELS_X86_LANES_AVX512_H_

#include <immintrin.h>

#include <cstdint>

namespace tern {
namespace {

__m256 HighEight(__m512 v) {
  return _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(v), 1));
}

struct Avx512Lanes {
  __m512 v;

  static Avx512Lanes Broadcast(float value) { return {_mm512_set1_ps(value)}; }
  static Avx512Lanes Load(const float* x) { return {_mm512_loadu_ps(x)}; }
  static Avx512Lanes LoadF16(const uint16_t* x) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)))};
  }
  static Avx512Lanes LoadBf16(const uint16_t* x) {
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))};
  }
  void Store(float* x) const { _mm512_storeu_ps(x, v); }
  void StoreF16(uint16_t* x) const {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(x),
                        _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
  }
  void StoreInt8(int8_t* x) const {
    // _mm512_cvtps_epi32 rounds half to even.
    _mm_storeu_si128(reinterpret_cast<__m128i*>(x), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v)));
  }

  friend Avx512Lanes operator+(Avx512Lanes a, Avx512Lanes b) { return {_mm512_add_ps(a.v, b.v)}; }
  friend Avx512Lanes operator-(Avx512Lanes a, Avx512Lanes b) { return {_mm512_sub_ps(a.v, b.v)}; }
  friend Avx512Lanes operator*(Avx512Lanes a, Avx512Lanes b) { return {_mm512_mul_ps(a.v, b.v)}; }
  friend Avx512Lanes operator/(Avx512Lanes a, Avx512Lanes b) { return {_mm512_div_ps(a.v, b.v)}; }
  // *x * v. Written out, because compilers load *x to a register first when it serves several
  // vectors, which on Zen 4 costs as much as a multiplication and an addition (2.5 of 2 cycles).
  static Avx512Lanes Times(const float* x, Avx512Lanes v) {
    __m512 product;
    asm("vmulps %1%{1to16%}, %2, %0" : "=v"(product) : "m"(*x), "v"(v.v));
    return {product};
  }
  Avx512Lanes Round() const {
    return {_mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
  }
  static Avx512Lanes Max(Avx512Lanes a, Avx512Lanes b) { return {_mm512_max_ps(a.v, b.v)}; }
  static Avx512Lanes SelectLess(Avx512Lanes a, Avx512Lanes b, Avx512Lanes yes, Avx512Lanes no) {
    return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ), no.v, yes.v)};
  }
  static Avx512Lanes ExponentBits(Avx512Lanes a) {
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(a.v), 23))};
  }
  Avx512Lanes Abs() const { return {_mm512_abs_ps(v)}; }
  float FoldSum() const {
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(v), HighEight(v));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  float FoldMax() const {
    const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(v), HighEight(v));
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
  }
};

}  // namespace
}  // namespace tern

#endif  // TERN_KERNELS_X86_LANES_AVX512_H_
