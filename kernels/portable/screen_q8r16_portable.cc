// SPDX-License-Identifier: MIT
// screen_q8r16_portable: plain C++, the fallback.
#include "kernels/screen.h"
#include "kernels/variants.h"

namespace tern {

// sum of q * x = sum of code * x - 128 * sum of x, since code = q + 128.
void ScreenQ8R16Portable(const GemmArgs& args) {
  const uint8_t* group = args.weights;
  for (size_t row = 0; row < args.rows; row += kQ8R16Rows, group += args.cols * kQ8R16Rows) {
    for (size_t v = 0; v < args.tokens; ++v) {
      const int8_t* x = args.x + v * args.x_stride;
      int32_t sums[kQ8R16Rows] = {};
      for (size_t col = 0; col < args.cols; col += kQ8R16Cols) {
        const uint8_t* tile = group + col * kQ8R16Rows;
        for (size_t r = 0; r < kQ8R16Rows; ++r, tile += kQ8R16Cols) {
          sums[r] +=
              tile[0] * x[col] + tile[1] * x[col + 1] + tile[2] * x[col + 2] + tile[3] * x[col + 3];
        }
      }
      int32_t* out = args.sums + v * args.sums_stride + row;
      for (size_t r = 0; r < kQ8R16Rows; ++r) out[r] = sums[r] - args.x_sums[v];
    }
  }
}

}  // namespace tern
