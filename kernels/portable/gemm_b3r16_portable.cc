// SPDX-License-Identifier: MIT
// gemm_b3r16_portable.
#include "kernels/b3r16.h"
#include "kernels/gemm_by_gemv_inl.h"
#include "kernels/variants.h"

namespace tern {

void GemmB3R16Portable(const GemmArgs& args) {
  GemmByGemv(args, kB3R16Rows, PackedBytes(Packing::kB3R16, kB3R16Rows, args.cols),
             GemvB3R16Portable);
}

}  // namespace tern
