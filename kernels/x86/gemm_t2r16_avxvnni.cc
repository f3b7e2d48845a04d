// SPDX-License-Identifier: MIT
// gemm_t2r16_avxvnni: the sums of five tokens take ten of the 16 registers.
#include "kernels/variants.h"
#include "kernels/x86/avxvnni_inl.h"
#include "kernels/x86/gemm_t2r16_avx2_inl.h"

namespace tern {

void GemmT2R16AvxVnni(const GemmArgs& args) { RunGemm<VnniProducts, 5>(args); }

}  // namespace tern
