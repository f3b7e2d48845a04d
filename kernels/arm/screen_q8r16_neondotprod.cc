// SPDX-License-Identifier: MIT
// screen_q8r16_neondotprod: a tile is one dot product of each of its four vectors of 4 rows.
#include "kernels/arm/gemm_neon_inl.h"
#include "kernels/screen.h"
#include "kernels/variants.h"

namespace tern {
namespace {

// Codes become the weights themselves, as sdot is signed, so nothing is to be subtracted.
struct Q8R16DotprodOps {
  static constexpr size_t kCols = kQ8R16Cols;
  static constexpr size_t kColsBeforeTotal = kScreenMaxCols;

  using X = int8x16_t;
  using Codes = int8x16_t;
  using Sums = int32x4_t;

  static int32x4_t Begin(int32_t /*x_sum*/) { return vdupq_n_s32(0); }
  static X LoadX(const int8_t* x) {
    int32_t four;
    __builtin_memcpy(&four, x, sizeof(four));
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
  }
  static Codes Unpack(const uint8_t* bytes) {
    return vreinterpretq_s8_u8(veorq_u8(vld1q_u8(bytes), vdupq_n_u8(kQ8R16Zero)));
  }
  static Sums Zero() { return vdupq_n_s32(0); }
  static Sums Add(Sums sums, Codes codes, X x) { return vdotq_s32(sums, codes, x); }
  static int32x4_t Total(Sums sums) { return sums; }
};

}  // namespace

void ScreenQ8R16NeonDotprod(const GemmArgs& args) { RunGemm<Q8R16DotprodOps, 4>(args); }

}  // namespace tern
