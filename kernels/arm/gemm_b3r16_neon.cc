// SPDX-License-Identifier: MIT
// gemm_b3r16_neon: ARMv8.0, without dot products. One token at a time: the sums of a second find no
// registers beside tables, codes and activations, and it takes 173 instead of 129 instructions a
// tile and token.
#include "kernels/arm/b3r16_neon_inl.h"
#include "kernels/arm/gemm_neon_inl.h"
#include "kernels/variants.h"

namespace tern {

void GemmB3R16Neon(const GemmArgs& args) { RunGemm<B3R16NeonOps, 1>(args); }

}  // namespace tern
