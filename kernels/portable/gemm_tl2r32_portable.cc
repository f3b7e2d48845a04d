// SPDX-License-Identifier: MIT
// gemm_tl2r32_portable.
#include "kernels/gemm_by_gemv_inl.h"
#include "kernels/tl2r32.h"
#include "kernels/variants.h"

namespace tern {

void GemmTL2R32Portable(const GemmArgs& args) {
  GemmByGemv(args, kTL2R32Rows, PackedBytes(Packing::kTL2R32, kTL2R32Rows, args.cols),
             GemvTL2R32Portable);
}

}  // namespace tern
