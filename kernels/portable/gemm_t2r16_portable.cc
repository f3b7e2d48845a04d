// SPDX-License-Identifier: MIT
// gemm_t2r16_portable: the portable gemv for each token, a row group at a time so that its weights
// stay in the cache.
#include "kernels/packing.h"
#include "kernels/variants.h"

namespace tern {

void GemmT2R16Portable(const GemmArgs& args) {
  const uint8_t* weights = args.weights;
  for (size_t group = 0; group < args.rows; group += kT2R16Rows) {
    for (size_t token = 0; token < args.tokens; ++token) {
      GemvT2R16Portable({.weights = weights,
                         .x = args.x + token * args.cols,
                         .x_sum = args.x_sums[token],
                         .sums = args.sums + token * args.sums_stride + group,
                         .rows = kT2R16Rows,
                         .cols = args.cols});
    }
    weights += T2R16Bytes(kT2R16Rows, args.cols);
  }
}

}  // namespace tern
