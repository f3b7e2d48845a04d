// SPDX-License-Identifier: MIT
// gemv_b3r16_neon: ARMv8.0, without dot products.
#include "kernels/arm/b3r16_neon_inl.h"
#include "kernels/arm/gemm_neon_inl.h"
#include "kernels/variants.h"

namespace tern {

void GemvB3R16Neon(const GemvArgs& args) { RunGemv<B3R16NeonOps>(args); }

}  // namespace tern
