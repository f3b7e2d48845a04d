// SPDX-License-Identifier: MIT
// gemm_b3r16_portable.
#include "kernels/portable/gemm_by_gemv.h"
#include "kernels/variants.h"

namespace tern {

void GemmB3R16Portable(const GemmArgs& args) {
  GemmByGemv(args, Packing::kB3R16, GemvB3R16Portable);
}

}  // namespace tern
