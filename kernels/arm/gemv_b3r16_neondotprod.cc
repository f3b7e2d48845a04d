// SPDX-License-Identifier: MIT
// gemv_b3r16_neondotprod: one row is one 32-bit lane.
#include "kernels/arm/b3r16_neondotprod_inl.h"
#include "kernels/arm/gemm_neon_inl.h"
#include "kernels/variants.h"

namespace tern {

void GemvB3R16NeonDotprod(const GemvArgs& args) { RunGemv<B3R16DotprodOps>(args); }

}  // namespace tern
