// SPDX-License-Identifier: MIT
// Codes of B3R16 by look-ups of 64 bytes, which every 64-bit ARM has, and their products for
// gemm_neon_inl.h on ARMv8.0: multiplication to 16 bits, widened in time. Included by exactly the
// *_b3r16_neon*.cc files, in whose anonymous namespaces it lives: see vector_ops_inl.h.
#ifndef TERN_KERNELS_ARM_B3R16_NEON_INL_H_
#define TERN_KERNELS_ARM_B3R16_NEON_INL_H_

#include <arm_neon.h>

#include "kernels/b3r16.h"

namespace tern {
namespace {

// Of 4 rows: five[j] is columns 4 j to 4 j + 3 of each.
struct B3R16Columns {
  int8x16_t five[kB3R16Cols / 4];
};

// Bytes from 192 on take the second table, below it an index out of range, which leaves the first
// table's codes. The fifth digit is in the upper two bits of those bytes times -3.
inline B3R16Columns UnpackB3R16(const uint8_t* bytes) {
  const uint8x16_t rows = vld1q_u8(bytes);
  const uint8x16_t low_bits = vdupq_n_u8(3);
  const uint8x16_t upper = vdupq_n_u8(192);
  const uint8x16_t low = vqtbl4q_u8(vld1q_u8_x4(kB3R16Tables.low), vandq_u8(rows, vdupq_n_u8(63)));
  const uint8x16_t four = vqtbx4q_u8(low, vld1q_u8_x4(kB3R16Tables.high), vsubq_u8(rows, upper));
  const uint8x16_t four_times = vandq_u8(vcgeq_u8(rows, upper), vshlq_n_u8(rows, 2));
  return {{vreinterpretq_s8_u8(vandq_u8(four, low_bits)),
           vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(four, 2), low_bits)),
           vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(four, 4), low_bits)),
           vreinterpretq_s8_u8(vshrq_n_u8(four, 6)),
           vreinterpretq_s8_u8(vshrq_n_u8(vsubq_u8(rows, four_times), 6))}};
}

// x[0..3], for each of 4 rows.
inline int8x16_t LoadFour(const int8_t* x) {
  int32_t four;
  __builtin_memcpy(&four, x, sizeof(four));
  return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

struct B3R16NeonOps {
  static constexpr size_t kCols = kB3R16Cols;
  // A 16-bit lane takes five products a tile, each at most 2 * 127 = 254 in magnitude: 25 tiles
  // make 125 * 254 = 31,750 < 32,768.
  static constexpr size_t kColsBeforeTotal = 25 * kB3R16Cols;

  using X = B3R16Columns;
  using Codes = B3R16Columns;
  struct Sums {
    int16x8_t low;   // rows 0 and 1, by column modulo 4
    int16x8_t high;  // rows 2 and 3
  };

  static int32x4_t Begin(int32_t x_sum) { return vdupq_n_s32(-x_sum); }
  static X LoadX(const int8_t* x) {
    return {{LoadFour(x), LoadFour(x + 4), LoadFour(x + 8), LoadFour(x + 12), LoadFour(x + 16)}};
  }
  static Codes Unpack(const uint8_t* bytes) { return UnpackB3R16(bytes); }
  static Sums Zero() { return {vdupq_n_s16(0), vdupq_n_s16(0)}; }
  static Sums Add(Sums sums, const Codes& codes, const X& x) {
    for (size_t j = 0; j < kB3R16Cols / 4; ++j) {
      sums.low = vmlal_s8(sums.low, vget_low_s8(codes.five[j]), vget_low_s8(x.five[j]));
      sums.high = vmlal_high_s8(sums.high, codes.five[j], x.five[j]);
    }
    return sums;
  }
  static int32x4_t Total(Sums sums) {
    return vpaddq_s32(vpaddlq_s16(sums.low), vpaddlq_s16(sums.high));
  }
};

}  // namespace
}  // namespace tern

#endif  // TERN_KERNELS_ARM_B3R16_NEON_INL_H_
