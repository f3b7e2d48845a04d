// SPDX-License-Identifier: MIT
// gemm_t2r16_portable.
#include "kernels/gemm_by_gemv_inl.h"
#include "kernels/t2r16.h"
#include "kernels/variants.h"

namespace tern {

void GemmT2R16Portable(const GemmArgs& args) {
  GemmByGemv(args, kT2R16Rows, PackedBytes(Packing::kT2R16, kT2R16Rows, args.cols),
             GemvT2R16Portable);
}

}  // namespace tern
