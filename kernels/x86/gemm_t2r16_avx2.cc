// SPDX-License-Identifier: MIT
// gemm_t2r16_avx2: the sums of four tokens take eight of the 16 registers.
#include "kernels/variants.h"
#include "kernels/x86/gemm_t2r16_avx2_inl.h"

namespace tern {

void GemmT2R16Avx2(const GemmArgs& args) { RunGemm<Avx2Products, 4>(args); }

}  // namespace tern
