// SPDX-License-Identifier: MIT
// gemm_t2r16_neondotprod: as its gemv, with codes shifted to their value, so that a token's sums
// take four registers.
#include "kernels/arm/gemm_neon_inl.h"
#include "kernels/t2r16.h"
#include "kernels/variants.h"

namespace tern {
namespace {

struct ShiftedOps {
  static constexpr size_t kCols = kT2R16Cols;
  static constexpr size_t kColsBeforeTotal = 100'000 * kT2R16Cols;  // at most 254 a column

  using X = int8x16_t;
  struct Codes {
    int8x16_t four[4];  // of columns 4 j .. 4 j + 3
  };
  using Sums = int32x4_t;

  static int32x4_t Begin(int32_t x_sum) { return vdupq_n_s32(-x_sum); }
  static X LoadX(const int8_t* x) { return vld1q_s8(x); }
  static Codes Unpack(const uint8_t* bytes) {
    const uint8x16_t rows = vld1q_u8(bytes);
    const uint8x16_t low_bits = vdupq_n_u8(3);
    return {{vreinterpretq_s8_u8(vandq_u8(rows, low_bits)),
             vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(rows, 2), low_bits)),
             vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(rows, 4), low_bits)),
             vreinterpretq_s8_u8(vshrq_n_u8(rows, 6))}};
  }
  static Sums Zero() { return vdupq_n_s32(0); }
  static Sums Add(Sums sums, const Codes& codes, X x) {
    sums = vdotq_laneq_s32(sums, codes.four[0], x, 0);
    sums = vdotq_laneq_s32(sums, codes.four[1], x, 1);
    sums = vdotq_laneq_s32(sums, codes.four[2], x, 2);
    return vdotq_laneq_s32(sums, codes.four[3], x, 3);
  }
  static int32x4_t Total(Sums sums) { return sums; }
};

}  // namespace

void GemmT2R16NeonDotprod(const GemmArgs& args) { RunGemm<ShiftedOps, 4>(args); }

}  // namespace tern
