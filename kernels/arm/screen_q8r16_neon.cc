// SPDX-License-Identifier: MIT
// screen_q8r16_neon: ARMv8.0, products of 16 bits, added by pairs to sums of 32.
#include "kernels/arm/gemm_neon_inl.h"
#include "kernels/screen.h"
#include "kernels/variants.h"

namespace tern {
namespace {

// Codes become the weights themselves, so nothing is to be subtracted. A product is at most
// 128 * 63 = 8,064 in magnitude.
struct Q8R16NeonOps {
  static constexpr size_t kCols = kQ8R16Cols;
  static constexpr size_t kColsBeforeTotal = kScreenMaxCols;

  using X = int8x16_t;
  using Codes = int8x16_t;
  struct Sums {
    int32x4_t low;   // rows 0 and 1, each of columns 0, 1 and 2, 3
    int32x4_t high;  // rows 2 and 3
  };

  static int32x4_t Begin(int32_t /*x_sum*/) { return vdupq_n_s32(0); }
  static X LoadX(const int8_t* x) {
    int32_t four;
    __builtin_memcpy(&four, x, sizeof(four));
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
  }
  static Codes Unpack(const uint8_t* bytes) {
    return vreinterpretq_s8_u8(veorq_u8(vld1q_u8(bytes), vdupq_n_u8(kQ8R16Zero)));
  }
  static Sums Zero() { return {vdupq_n_s32(0), vdupq_n_s32(0)}; }
  static Sums Add(Sums sums, Codes codes, X x) {
    return {vpadalq_s16(sums.low, vmull_s8(vget_low_s8(codes), vget_low_s8(x))),
            vpadalq_s16(sums.high, vmull_high_s8(codes, x))};
  }
  static int32x4_t Total(Sums sums) { return vpaddq_s32(sums.low, sums.high); }
};

}  // namespace

void ScreenQ8R16Neon(const GemmArgs& args) { RunGemm<Q8R16NeonOps, 2>(args); }

}  // namespace tern
