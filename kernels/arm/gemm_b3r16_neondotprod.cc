// SPDX-License-Identifier: MIT
// gemm_b3r16_neondotprod: the tables take eight registers, which leaves room for the sums, codes
// and activations of two tokens.
#include "kernels/arm/b3r16_neondotprod_inl.h"
#include "kernels/arm/gemm_neon_inl.h"
#include "kernels/variants.h"

namespace tern {

void GemmB3R16NeonDotprod(const GemmArgs& args) { RunGemm<B3R16DotprodOps, 2>(args); }

}  // namespace tern
