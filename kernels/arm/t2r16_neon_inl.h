// SPDX-License-Identifier: MIT
// T2R16 products for gemm_neon_inl.h on ARMv8.0: multiplication to 16 bits, widened in time.
// Included by exactly the *_t2r16_neon.cc files, in whose anonymous namespaces it lives: see
// vector_ops_inl.h.
#ifndef TERN_KERNELS_ARM_T2R16_NEON_INL_H_
#define TERN_KERNELS_ARM_T2R16_NEON_INL_H_

#include <arm_neon.h>

#include "kernels/t2r16.h"

namespace tern {
namespace {

struct T2R16NeonOps {
  static constexpr size_t kCols = kT2R16Cols;
  // A 16-bit lane takes four products a tile, each at most 2 * 127 = 254 in magnitude: 32 tiles
  // make 128 * 254 = 32,512 < 32,768.
  static constexpr size_t kColsBeforeTotal = 32 * kT2R16Cols;

  struct X {
    int8x16_t four[4];  // columns 4 j .. 4 j + 3, for each of 4 rows
  };
  struct Codes {
    int8x16_t four[4];  // the same columns of the 4 rows
  };
  struct Sums {
    int16x8_t low;   // rows 0 and 1, by column modulo 4
    int16x8_t high;  // rows 2 and 3
  };

  static int32x4_t Begin(int32_t x_sum) { return vdupq_n_s32(-x_sum); }
  static X LoadX(const int8_t* x) {
    const int32x4_t cols = vreinterpretq_s32_s8(vld1q_s8(x));
    return {{vreinterpretq_s8_s32(vdupq_laneq_s32(cols, 0)),
             vreinterpretq_s8_s32(vdupq_laneq_s32(cols, 1)),
             vreinterpretq_s8_s32(vdupq_laneq_s32(cols, 2)),
             vreinterpretq_s8_s32(vdupq_laneq_s32(cols, 3))}};
  }
  static Codes Unpack(const uint8_t* bytes) {
    const uint8x16_t rows = vld1q_u8(bytes);
    const uint8x16_t low_bits = vdupq_n_u8(3);
    return {{vreinterpretq_s8_u8(vandq_u8(rows, low_bits)),
             vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(rows, 2), low_bits)),
             vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(rows, 4), low_bits)),
             vreinterpretq_s8_u8(vshrq_n_u8(rows, 6))}};
  }
  static Sums Zero() { return {vdupq_n_s16(0), vdupq_n_s16(0)}; }
  static Sums Add(Sums sums, const Codes& codes, const X& x) {
    for (int j = 0; j < 4; ++j) {
      sums.low = vmlal_s8(sums.low, vget_low_s8(codes.four[j]), vget_low_s8(x.four[j]));
      sums.high = vmlal_high_s8(sums.high, codes.four[j], x.four[j]);
    }
    return sums;
  }
  static int32x4_t Total(Sums sums) {
    return vpaddq_s32(vpaddlq_s16(sums.low), vpaddlq_s16(sums.high));
  }
};

}  // namespace
}  // namespace tern

#endif  // TERN_KERNELS_ARM_T2R16_NEON_INL_H_
