// SPDX-License-Identifier: MIT
// B3R16 products for gemm_neon_inl.h, by look-ups of 64 bytes. Included by exactly the
// *_b3r16_neondotprod.cc files, in whose anonymous namespaces it lives: see vector_ops_inl.h.
#ifndef TERN_KERNELS_ARM_B3R16_NEONDOTPROD_INL_H_
#define TERN_KERNELS_ARM_B3R16_NEONDOTPROD_INL_H_

#include <arm_neon.h>

#include "kernels/b3r16.h"

namespace tern {
namespace {

struct B3R16Ops {
  static constexpr size_t kCols = kB3R16Cols;
  static constexpr size_t kColsBeforeTotal = 100'000 * kB3R16Cols;  // at most 254 a column

  struct X {
    int8x16_t first;  // columns 0..15
    int8x16_t last;   // columns 16..19, for each of 4 rows
  };
  struct Codes {
    int8x16_t four[5];  // of columns 4 j .. 4 j + 3
  };
  using Sums = int32x4_t;

  static int32x4_t Begin(int32_t x_sum) { return vdupq_n_s32(-x_sum); }
  static X LoadX(const int8_t* x) {
    int32_t last;
    __builtin_memcpy(&last, x + 16, sizeof(last));
    return {vld1q_s8(x), vreinterpretq_s8_s32(vdupq_n_s32(last))};
  }
  // Bytes from 192 on take the second table, below it an index out of range, which leaves the first
  // table's codes. The fifth digit is in the upper two bits of those bytes times -3.
  static Codes Unpack(const uint8_t* bytes) {
    const uint8x16_t rows = vld1q_u8(bytes);
    const uint8x16_t low_bits = vdupq_n_u8(3);
    const uint8x16_t upper = vdupq_n_u8(192);
    const uint8x16_t low =
        vqtbl4q_u8(vld1q_u8_x4(kB3R16Tables.low), vandq_u8(rows, vdupq_n_u8(63)));
    const uint8x16_t four = vqtbx4q_u8(low, vld1q_u8_x4(kB3R16Tables.high), vsubq_u8(rows, upper));
    const uint8x16_t four_times = vandq_u8(vcgeq_u8(rows, upper), vshlq_n_u8(rows, 2));
    return {{vreinterpretq_s8_u8(vandq_u8(four, low_bits)),
             vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(four, 2), low_bits)),
             vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(four, 4), low_bits)),
             vreinterpretq_s8_u8(vshrq_n_u8(four, 6)),
             vreinterpretq_s8_u8(vshrq_n_u8(vsubq_u8(rows, four_times), 6))}};
  }
  static Sums Zero() { return vdupq_n_s32(0); }
  static Sums Add(Sums sums, const Codes& codes, const X& x) {
    sums = vdotq_laneq_s32(sums, codes.four[0], x.first, 0);
    sums = vdotq_laneq_s32(sums, codes.four[1], x.first, 1);
    sums = vdotq_laneq_s32(sums, codes.four[2], x.first, 2);
    sums = vdotq_laneq_s32(sums, codes.four[3], x.first, 3);
    return vdotq_s32(sums, codes.four[4], x.last);
  }
  static int32x4_t Total(Sums sums) { return sums; }
};

}  // namespace
}  // namespace tern

#endif  // TERN_KERNELS_ARM_B3R16_NEONDOTPROD_INL_H_
