// SPDX-License-Identifier: MIT
// group_gemm_t2r16_avx2: two vectors of 8 rows, sums of 16 bits within a group.
#include "kernels/variants.h"
#include "kernels/x86/group_gemm_avx2_inl.h"

namespace tern {

void GroupGemmT2R16Avx2(const GroupGemmArgs& args) {
  RunGroupGemm<GroupOps<Avx2Products>, 2>(args);
}

}  // namespace tern
