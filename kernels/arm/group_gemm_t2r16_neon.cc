// SPDX-License-Identifier: MIT
// group_gemm_t2r16_neon: ARMv8.0, sums of 16 bits within a group.
#include "kernels/arm/group_gemm_neon_inl.h"
#include "kernels/group_gemm_inl.h"
#include "kernels/variants.h"

namespace tern {
namespace {

struct NeonGroupOps : NeonGroupBase {
  // Four 16-bit sums a row, by column modulo 4. Each takes 64 products of at most 2 * 127 = 254 in
  // magnitude in a group of 256 columns: 16,256 < 32,768.
  struct Sums {
    int16x8_t rows[8];
  };

  static Sums ZeroSums() {
    Sums sums;
    for (int16x8_t& rows : sums.rows) rows = vdupq_n_s16(0);
    return sums;
  }
  static Sums Add(Sums sums, const Codes& codes, const int8_t* x) {
    const int8x16_t x4 = Broadcast4(x);
    for (int v = 0; v < 4; ++v) {
      const int8x16_t rows = codes.rows[v];
      sums.rows[2 * v] = vmlal_s8(sums.rows[2 * v], vget_low_s8(rows), vget_low_s8(x4));
      sums.rows[2 * v + 1] = vmlal_high_s8(sums.rows[2 * v + 1], rows, x4);
    }
    return sums;
  }
  static Floats AddScaled(Floats out, const Sums* digits, int32_t x_sum, const float* scales) {
    for (int v = 0; v < 4; ++v) {
      out.rows[v] = AddScaledFour(out.rows[v], FourRows(digits[0], v), FourRows(digits[1], v),
                                  FourRows(digits[2], v), x_sum, scales + 4 * v);
    }
    return out;
  }

 private:
  static int32x4_t FourRows(const Sums& sums, int v) {
    return vpaddq_s32(vpaddlq_s16(sums.rows[2 * v]), vpaddlq_s16(sums.rows[2 * v + 1]));
  }
};

}  // namespace

void GroupGemmT2R16Neon(const GroupGemmArgs& args) { RunGroupGemm<NeonGroupOps, 1>(args); }

}  // namespace tern
