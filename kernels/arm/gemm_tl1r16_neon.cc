// SPDX-License-Identifier: MIT
// gemm_tl1r16_neon: all rows at once, since a token's tables serve them all.
#include "kernels/gemm_by_gemv_inl.h"
#include "kernels/variants.h"

namespace tern {

void GemmTL1R16Neon(const GemmArgs& args) { GemmByGemv(args, args.rows, 0, GemvTL1R16Neon); }

}  // namespace tern
