// SPDX-License-Identifier: MIT
// gemm_t2r16_portable.
#include "kernels/portable/gemm_by_gemv.h"
#include "kernels/variants.h"

namespace tern {

void GemmT2R16Portable(const GemmArgs& args) {
  GemmByGemv(args, Packing::kT2R16, GemvT2R16Portable);
}

}  // namespace tern
