// SPDX-License-Identifier: MIT
// gemm_tl1r16_portable: a gemv for each token, since tables are a token's own.
#include "kernels/variants.h"

namespace tern {

void GemmTL1R16Portable(const GemmArgs& args) {
  for (size_t token = 0; token < args.tokens; ++token) {
    GemvTL1R16Portable({.weights = args.weights,
                        .x = args.x + token * args.x_stride,
                        .x_sum = args.x_sums[token],
                        .sums = args.sums + token * args.sums_stride,
                        .rows = args.rows,
                        .cols = args.cols});
  }
}

}  // namespace tern
