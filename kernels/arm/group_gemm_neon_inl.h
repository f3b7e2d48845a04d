// SPDX-License-Identifier: MIT
// What the group_gemm_t2r16_neon*.cc files share, in whose anonymous namespaces it lives: see
// vector_ops_inl.h.
#ifndef TERN_KERNELS_ARM_GROUP_GEMM_NEON_INL_H_
#define TERN_KERNELS_ARM_GROUP_GEMM_NEON_INL_H_

#include <arm_neon.h>

#include "kernels/group_gemm.h"

namespace tern {
namespace {

// The part of the Ops of group_gemm_inl.h that does not depend on how products are summed. A vector
// holds 4 rows.
struct NeonGroupBase {
  struct Tile {
    uint8x16_t rows[4];
  };
  struct Codes {
    int8x16_t rows[4];
  };
  struct Floats {
    float32x4_t rows[4];
  };

  static Tile Load(const uint8_t* bytes) {
    return {{vld1q_u8(bytes), vld1q_u8(bytes + 16), vld1q_u8(bytes + 32), vld1q_u8(bytes + 48)}};
  }
  static Codes NextCodes(Tile& tile) {
    Codes codes;
    for (int v = 0; v < 4; ++v) {
      codes.rows[v] = vreinterpretq_s8_u8(vandq_u8(tile.rows[v], vdupq_n_u8(3)));
      tile.rows[v] = vshrq_n_u8(tile.rows[v], 2);
    }
    return codes;
  }
  static Floats Zero() {
    const float32x4_t zero = vdupq_n_f32(0);
    return {{zero, zero, zero, zero}};
  }
  static void Store(const Floats& floats, float* out) {
    for (int v = 0; v < 4; ++v) vst1q_f32(out + 4 * v, floats.rows[v]);
  }

 protected:
  // x[0..3], for each of 4 rows.
  static int8x16_t Broadcast4(const int8_t* x) {
    int32_t four;
    __builtin_memcpy(&four, x, sizeof(four));
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
  }
  // Four rows of AddScaled, from the sums of each digit. No fused multiply-add.
  static float32x4_t AddScaledFour(float32x4_t out, int32x4_t first, int32x4_t second,
                                   int32x4_t third, int32_t x_sum, const float* scales) {
    const int32x4_t upper = vmlaq_n_s32(second, first, kWideBase);
    const int32x4_t sum = vsubq_s32(vmlaq_n_s32(third, upper, kWideBase), vdupq_n_s32(x_sum));
    return vaddq_f32(out, vmulq_f32(vld1q_f32(scales), vcvtq_f32_s32(sum)));
  }
};

}  // namespace
}  // namespace tern

#endif  // TERN_KERNELS_ARM_GROUP_GEMM_NEON_INL_H_
