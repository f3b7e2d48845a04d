// SPDX-License-Identifier: MIT
// B3R16 products by dot products for gemm_neon_inl.h. Included by exactly the
// *_b3r16_neondotprod.cc files, in whose anonymous namespaces it lives: see vector_ops_inl.h.
#ifndef TERN_KERNELS_ARM_B3R16_NEONDOTPROD_INL_H_
#define TERN_KERNELS_ARM_B3R16_NEONDOTPROD_INL_H_

#include <arm_neon.h>

#include "kernels/arm/b3r16_neon_inl.h"

namespace tern {
namespace {

struct B3R16DotprodOps {
  static constexpr size_t kCols = kB3R16Cols;
  static constexpr size_t kColsBeforeTotal = 100'000 * kB3R16Cols;  // at most 254 a column

  struct X {
    int8x16_t first;  // columns 0..15
    int8x16_t last;   // columns 16..19, for each of 4 rows
  };
  using Codes = B3R16Columns;
  using Sums = int32x4_t;

  static int32x4_t Begin(int32_t x_sum) { return vdupq_n_s32(-x_sum); }
  static X LoadX(const int8_t* x) { return {vld1q_s8(x), LoadFour(x + 16)}; }
  static Codes Unpack(const uint8_t* bytes) { return UnpackB3R16(bytes); }
  static Sums Zero() { return vdupq_n_s32(0); }
  static Sums Add(Sums sums, const Codes& codes, const X& x) {
    sums = vdotq_laneq_s32(sums, codes.five[0], x.first, 0);
    sums = vdotq_laneq_s32(sums, codes.five[1], x.first, 1);
    sums = vdotq_laneq_s32(sums, codes.five[2], x.first, 2);
    sums = vdotq_laneq_s32(sums, codes.five[3], x.first, 3);
    return vdotq_s32(sums, codes.five[4], x.last);
  }
  static int32x4_t Total(Sums sums) { return sums; }
};

}  // namespace
}  // namespace tern

#endif  // TERN_KERNELS_ARM_B3R16_NEONDOTPROD_INL_H_
