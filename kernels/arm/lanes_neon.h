// SPDX-License-Identifier: MIT
// 16 floats in four registers. All of it is in ARMv8.0, conversions of binary16 too. For the loops
// of vector_ops_inl.h and attention_inl.h.
#ifndef TERN_KERNELS_ARM_LANES_NEON_H_
#define TERN_KERNELS_ARM_LANES_NEON_H_

#include <arm_neon.h>

#include <cstdint>

namespace tern {
namespace {

float32x4_t LoadFourF16(const uint16_t* x) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(x)));
}

float32x4_t LoadFourBf16(const uint16_t* x) {
  return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(x), 16));
}

// Rounds half to even, as the control register says when a program starts.
void StoreFourF16(float32x4_t v, uint16_t* x) {
  vst1_u16(x, vreinterpret_u16_f16(vcvt_f16_f32(v)));
}

// fmax would return a NaN if either is.
float32x4_t MaxFour(float32x4_t a, float32x4_t b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }

float32x4_t SelectLessFour(float32x4_t a, float32x4_t b, float32x4_t yes, float32x4_t no) {
  return vbslq_f32(vcltq_f32(a, b), yes, no);
}

float32x4_t ExponentBitsFour(float32x4_t v) {
  return vreinterpretq_f32_u32(vshlq_n_u32(vreinterpretq_u32_f32(v), 23));
}

struct NeonLanes {
  float32x4_t a, b, c, d;  // lanes 0..3, 4..7, 8..11, 12..15

  static NeonLanes Broadcast(float value) {
    const float32x4_t four = vdupq_n_f32(value);
    return {four, four, four, four};
  }
  static NeonLanes Load(const float* x) {
    return {vld1q_f32(x), vld1q_f32(x + 4), vld1q_f32(x + 8), vld1q_f32(x + 12)};
  }
  static NeonLanes LoadF16(const uint16_t* x) {
    return {LoadFourF16(x), LoadFourF16(x + 4), LoadFourF16(x + 8), LoadFourF16(x + 12)};
  }
  static NeonLanes LoadBf16(const uint16_t* x) {
    return {LoadFourBf16(x), LoadFourBf16(x + 4), LoadFourBf16(x + 8), LoadFourBf16(x + 12)};
  }
  void Store(float* x) const {
    vst1q_f32(x, a);
    vst1q_f32(x + 4, b);
    vst1q_f32(x + 8, c);
    vst1q_f32(x + 12, d);
  }
  void StoreF16(uint16_t* x) const {
    StoreFourF16(a, x);
    StoreFourF16(b, x + 4);
    StoreFourF16(c, x + 8);
    StoreFourF16(d, x + 12);
  }
  void StoreInt8(int8_t* x) const {
    const int16x8_t low =
        vcombine_s16(vqmovn_s32(vcvtnq_s32_f32(a)), vqmovn_s32(vcvtnq_s32_f32(b)));
    const int16x8_t high =
        vcombine_s16(vqmovn_s32(vcvtnq_s32_f32(c)), vqmovn_s32(vcvtnq_s32_f32(d)));
    vst1q_s8(x, vcombine_s8(vqmovn_s16(low), vqmovn_s16(high)));
  }

  friend NeonLanes operator+(NeonLanes x, NeonLanes y) {
    return {vaddq_f32(x.a, y.a), vaddq_f32(x.b, y.b), vaddq_f32(x.c, y.c), vaddq_f32(x.d, y.d)};
  }
  friend NeonLanes operator-(NeonLanes x, NeonLanes y) {
    return {vsubq_f32(x.a, y.a), vsubq_f32(x.b, y.b), vsubq_f32(x.c, y.c), vsubq_f32(x.d, y.d)};
  }
  friend NeonLanes operator*(NeonLanes x, NeonLanes y) {
    return {vmulq_f32(x.a, y.a), vmulq_f32(x.b, y.b), vmulq_f32(x.c, y.c), vmulq_f32(x.d, y.d)};
  }
  friend NeonLanes operator/(NeonLanes x, NeonLanes y) {
    return {vdivq_f32(x.a, y.a), vdivq_f32(x.b, y.b), vdivq_f32(x.c, y.c), vdivq_f32(x.d, y.d)};
  }
  static NeonLanes Times(const float* x, NeonLanes v) {
    return {vmulq_n_f32(v.a, *x), vmulq_n_f32(v.b, *x), vmulq_n_f32(v.c, *x), vmulq_n_f32(v.d, *x)};
  }
  NeonLanes Round() const { return {vrndnq_f32(a), vrndnq_f32(b), vrndnq_f32(c), vrndnq_f32(d)}; }
  static NeonLanes Max(NeonLanes x, NeonLanes y) {
    return {MaxFour(x.a, y.a), MaxFour(x.b, y.b), MaxFour(x.c, y.c), MaxFour(x.d, y.d)};
  }
  static NeonLanes SelectLess(NeonLanes x, NeonLanes y, NeonLanes yes, NeonLanes no) {
    return {SelectLessFour(x.a, y.a, yes.a, no.a), SelectLessFour(x.b, y.b, yes.b, no.b),
            SelectLessFour(x.c, y.c, yes.c, no.c), SelectLessFour(x.d, y.d, yes.d, no.d)};
  }
  static NeonLanes ExponentBits(NeonLanes x) {
    return {ExponentBitsFour(x.a), ExponentBitsFour(x.b), ExponentBitsFour(x.c),
            ExponentBitsFour(x.d)};
  }
  NeonLanes Abs() const { return {vabsq_f32(a), vabsq_f32(b), vabsq_f32(c), vabsq_f32(d)}; }
  float FoldSum() const {
    const float32x4_t four = vaddq_f32(vaddq_f32(a, c), vaddq_f32(b, d));
    const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
  }
  float FoldMax() const { return vmaxvq_f32(vmaxq_f32(vmaxq_f32(a, b), vmaxq_f32(c, d))); }
};

}  // namespace
}  // namespace tern

#endif  // TERN_KERNELS_ARM_LANES_NEON_H_
