// SPDX-License-Identifier: MIT
// gemm_t2r16_neon: ARMv8.0, without dot products. The sums of two tokens take 16 registers.
#include "kernels/arm/gemm_neon_inl.h"
#include "kernels/arm/t2r16_neon_inl.h"
#include "kernels/variants.h"

namespace tern {

void GemmT2R16Neon(const GemmArgs& args) { RunGemm<T2R16NeonOps, 2>(args); }

}  // namespace tern
