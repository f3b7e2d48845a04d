// SPDX-License-Identifier: MIT
// gemm_tl2r32_avx2.
#include "kernels/gemm_by_gemv_inl.h"
#include "kernels/variants.h"
#include "kernels/x86/tl2r32_inl.h"

namespace tern {

void GemmTL2R32Avx2(const GemmArgs& args) {
  GemmByGemv(args, kTL2R32RowsAtOnce, TL2R32BytesAtOnce(args.cols), GemvTL2R32Avx2);
}

}  // namespace tern
