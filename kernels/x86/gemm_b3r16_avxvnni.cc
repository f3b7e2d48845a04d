// SPDX-License-Identifier: MIT
// gemm_b3r16_avxvnni: the sums of six tokens take twelve of the 16 registers.
#include "kernels/variants.h"
#include "kernels/x86/avxvnni_inl.h"
#include "kernels/x86/gemm_b3r16_avx2_inl.h"

namespace tern {

void GemmB3R16AvxVnni(const GemmArgs& args) { RunGemm<VnniProducts, 6>(args); }

}  // namespace tern
