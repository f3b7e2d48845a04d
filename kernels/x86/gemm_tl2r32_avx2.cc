// SPDX-License-Identifier: MIT
// gemm_tl2r32_avx2: look-ups do not get cheaper with more tokens.
#include "kernels/tl2r32.h"
#include "kernels/variants.h"

namespace tern {

// A row group at a time, so that its weights stay in the cache.
void GemmTL2R32Avx2(const GemmArgs& args) {
  const size_t group_bytes = (args.cols + kTL2R32Cols - 1) / kTL2R32Cols * kTL2R32TileBytes;
  const uint8_t* weights = args.weights;
  constexpr size_t kRows = 8 * kTL2R32Rows;  // of one call, which makes its tables again
  for (size_t row = 0; row < args.rows; row += kRows) {
    const size_t rows = args.rows - row < kRows ? args.rows - row : kRows;
    for (size_t token = 0; token < args.tokens; ++token) {
      GemvTL2R32Avx2({weights, args.x + token * args.x_stride, args.x_sums[token],
                      args.sums + token * args.sums_stride + row, rows, args.cols});
    }
    weights += kRows / kTL2R32Rows * group_bytes;
  }
}

}  // namespace tern
