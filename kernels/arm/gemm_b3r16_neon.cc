// SPDX-License-Identifier: MIT
// gemm_b3r16_neon: ARMv8.0, without dot products. The sums of two tokens take 16 registers.
#include "kernels/arm/b3r16_neon_inl.h"
#include "kernels/arm/gemm_neon_inl.h"
#include "kernels/variants.h"

namespace tern {

void GemmB3R16Neon(const GemmArgs& args) { RunGemm<B3R16NeonOps, 2>(args); }

}  // namespace tern
