// SPDX-License-Identifier: MIT
// What the sums of attention over q8 share (attention_q8_inl.h): included by exactly the
// attention_neon*.cc files, in whose anonymous namespaces it lives.
#ifndef TERN_KERNELS_ARM_SUMS_NEON_H_
#define TERN_KERNELS_ARM_SUMS_NEON_H_

#include <arm_neon.h>

#include "kernels/arm/lanes_neon.h"
#include "kernels/attention.h"

namespace tern {
namespace {

// A tile: four lanes in each vector, less kQ8Zero.
struct NeonCodes {
  int8x16_t v[4];

  static NeonCodes Load(const uint8_t* tile) {
    NeonCodes codes;
    for (size_t i = 0; i < 4; ++i) {
      codes.v[i] = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(tile + 16 * i), vdupq_n_u8(kQ8Zero)));
    }
    return codes;
  }
};

int8x16_t BroadcastFour(const int8_t* x) {
  int32_t four;
  __builtin_memcpy(&four, x, sizeof(four));
  return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

float32x4_t JoinFour(int32x4_t high, int32x4_t low) {
  return vcvtq_f32_s32(vmlaq_n_s32(low, high, kQ8DigitBase));
}

}  // namespace
}  // namespace tern

#endif  // TERN_KERNELS_ARM_SUMS_NEON_H_
