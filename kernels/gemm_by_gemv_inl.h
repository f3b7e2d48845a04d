// SPDX-License-Identifier: MIT
// A gemm of a gemv for each token: of portable kernels, of look-ups, which do not get cheaper with
// more tokens, and of so few tokens that nothing better pays. Included by files of kernels alone,
// in whose anonymous namespaces it lives: see vector_ops_inl.h.
#ifndef TERN_KERNELS_GEMM_BY_GEMV_INL_H_
#define TERN_KERNELS_GEMM_BY_GEMV_INL_H_

#include "kernels/gemm.h"
#include "kernels/gemv.h"

namespace tern {
namespace {

// `rows_at_once` rows, whole tiles of `bytes_at_once`, take all tokens while their weights are in
// the cache.
inline void GemmByGemv(const GemmArgs& args, size_t rows_at_once, size_t bytes_at_once,
                       void (*gemv)(const GemvArgs&)) {
  const uint8_t* weights = args.weights;
  for (size_t row = 0; row < args.rows; row += rows_at_once, weights += bytes_at_once) {
    const size_t rest = args.rows - row;
    for (size_t token = 0; token < args.tokens; ++token) {
      gemv({.weights = weights,
            .x = args.x + token * args.x_stride,
            .x_sum = args.x_sums[token],
            .sums = args.sums + token * args.sums_stride + row,
            .rows = rest < rows_at_once ? rest : rows_at_once,
            .cols = args.cols});
    }
  }
}

}  // namespace
}  // namespace tern

#endif  // TERN_KERNELS_GEMM_BY_GEMV_INL_H_
