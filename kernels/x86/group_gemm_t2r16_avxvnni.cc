// SPDX-License-Identifier: MIT
// group_gemm_t2r16_avxvnni: two vectors of 8 rows.
#include "kernels/variants.h"
#include "kernels/x86/avxvnni_inl.h"
#include "kernels/x86/group_gemm_avx2_inl.h"

namespace tern {

void GroupGemmT2R16AvxVnni(const GroupGemmArgs& args) {
  RunGroupGemm<GroupOps<VnniProducts>, 2>(args);
}

}  // namespace tern
