// SPDX-License-Identifier: MIT
// A gemm of a gemv for each token: what portable kernels are made of.
#ifndef TERN_KERNELS_PORTABLE_GEMM_BY_GEMV_H_
#define TERN_KERNELS_PORTABLE_GEMM_BY_GEMV_H_

#include "kernels/gemm.h"
#include "kernels/gemv.h"
#include "kernels/packing.h"

namespace tern {

// A row group at a time, so that its weights stay in the cache.
inline void GemmByGemv(const GemmArgs& args, Packing packing, void (*gemv)(const GemvArgs&)) {
  const size_t group_rows = InfoOf(packing).tile_rows;
  const size_t group_bytes = PackedBytes(packing, group_rows, args.cols);
  const uint8_t* weights = args.weights;
  for (size_t row = 0; row < args.rows; row += group_rows, weights += group_bytes) {
    for (size_t token = 0; token < args.tokens; ++token) {
      gemv({.weights = weights,
            .x = args.x + token * args.x_stride,
            .x_sum = args.x_sums[token],
            .sums = args.sums + token * args.sums_stride + row,
            .rows = group_rows,
            .cols = args.cols});
    }
  }
}

}  // namespace tern

#endif  // TERN_KERNELS_PORTABLE_GEMM_BY_GEMV_H_
