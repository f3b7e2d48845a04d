// SPDX-License-Identifier: MIT
// gemm_b3r16_avx2: the sums of four tokens take eight registers.
#include "kernels/variants.h"
#include "kernels/x86/gemm_b3r16_avx2_inl.h"

namespace tern {

void GemmB3R16Avx2(const GemmArgs& args) { RunGemm<Avx2Products, 4>(args); }

}  // namespace tern
