// SPDX-License-Identifier: MIT
// gemv_t2r16_neon: ARMv8.0, without dot products.
#include "kernels/arm/gemm_neon_inl.h"
#include "kernels/arm/t2r16_neon_inl.h"
#include "kernels/variants.h"

namespace tern {

void GemvT2R16Neon(const GemvArgs& args) { RunGemv<T2R16NeonOps>(args); }

}  // namespace tern
