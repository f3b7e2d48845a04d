// SPDX-License-Identifier: MIT
// gemv_b3r16_portable: plain C++, the fallback, and what the other variants are easiest read after.
#include "kernels/b3r16.h"
#include "kernels/variants.h"

namespace tern {
namespace {

// The sum of one row's codes in a tile, times the 20 activations at `x`.
int32_t TileRowSum(const uint8_t* row, const int8_t* x) {
  int32_t sum = 0;
  for (int k = 0; k < 4; ++k) {
    const int byte = row[k];
    const bool is_high = byte >= 192;
    const int codes = (is_high ? kB3R16Tables.high : kB3R16Tables.low)[byte & 63];
    const int fifth = (is_high ? -3 * byte & 255 : byte) >> 6;
    sum += (codes & 3) * x[k] + (codes >> 2 & 3) * x[4 + k] + (codes >> 4 & 3) * x[8 + k] +
           (codes >> 6) * x[12 + k] + fifth * x[16 + k];
  }
  return sum;
}

}  // namespace

// sum of trit * x = sum of code * x - sum of x, since code = trit + 1.
void GemvB3R16Portable(const GemvArgs& args) {
  const uint8_t* tile = args.weights;
  for (size_t group = 0; group < args.rows; group += kB3R16Rows) {
    int32_t sums[kB3R16Rows] = {};
    for (size_t col = 0; col < args.cols; col += kB3R16Cols) {
      for (size_t r = 0; r < kB3R16Rows; ++r) sums[r] += TileRowSum(tile + 4 * r, args.x + col);
      tile += kB3R16TileBytes;
    }
    for (size_t r = 0; r < kB3R16Rows; ++r) args.sums[group + r] = sums[r] - args.x_sum;
  }
}

}  // namespace tern
