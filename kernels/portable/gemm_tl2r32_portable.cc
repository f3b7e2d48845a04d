// SPDX-License-Identifier: MIT
// gemm_tl2r32_portable.
#include "kernels/portable/gemm_by_gemv.h"
#include "kernels/variants.h"

namespace tern {

void GemmTL2R32Portable(const GemmArgs& args) {
  GemmByGemv(args, Packing::kTL2R32, GemvTL2R32Portable);
}

}  // namespace tern
