// SPDX-License-Identifier: MIT
// group_gemm_t2r16_neondotprod: one row is one 32-bit lane.
#include "kernels/arm/group_gemm_neon_inl.h"
#include "kernels/group_gemm_inl.h"
#include "kernels/variants.h"

namespace tern {
namespace {

struct NeonDotprodGroupOps : NeonGroupBase {
  struct Sums {
    int32x4_t rows[4];
  };

  static Sums ZeroSums() {
    const int32x4_t zero = vdupq_n_s32(0);
    return {{zero, zero, zero, zero}};
  }
  static Sums Add(Sums sums, const Codes& codes, const int8_t* x) {
    const int8x16_t x4 = Broadcast4(x);
    for (int v = 0; v < 4; ++v) sums.rows[v] = vdotq_s32(sums.rows[v], codes.rows[v], x4);
    return sums;
  }
  static Floats AddScaled(Floats out, const Sums* digits, int32_t x_sum, const float* scales) {
    for (int v = 0; v < 4; ++v) {
      out.rows[v] = AddScaledFour(out.rows[v], digits[0].rows[v], digits[1].rows[v],
                                  digits[2].rows[v], x_sum, scales + 4 * v);
    }
    return out;
  }
};

}  // namespace

void GroupGemmT2R16NeonDotprod(const GroupGemmArgs& args) {
  RunGroupGemm<NeonDotprodGroupOps, 1>(args);
}

}  // namespace tern
