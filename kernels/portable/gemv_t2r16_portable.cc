// SPDX-License-Identifier: MIT
// gemv_t2r16_portable: plain C++, the fallback, and what the other variants are easiest read after.
#include "kernels/t2r16.h"
#include "kernels/variants.h"

namespace tern {
namespace {

// The sum of one row's codes in a tile, times the 16 activations at `x`.
int32_t TileRowSum(const uint8_t* row, const int8_t* x) {
  int32_t sum = 0;
  for (int k = 0; k < 4; ++k) {
    sum += (row[k] & 3) * x[k] + (row[k] >> 2 & 3) * x[4 + k] + (row[k] >> 4 & 3) * x[8 + k] +
           (row[k] >> 6) * x[12 + k];
  }
  return sum;
}

}  // namespace

// sum of trit * x = sum of code * x - sum of x, since code = trit + 1.
void GemvT2R16Portable(const GemvArgs& args) {
  const uint8_t* tile = args.weights;
  for (size_t group = 0; group < args.rows; group += kT2R16Rows) {
    int32_t sums[kT2R16Rows] = {};
    for (size_t col = 0; col < args.cols; col += kT2R16Cols) {
      for (size_t r = 0; r < kT2R16Rows; ++r) sums[r] += TileRowSum(tile + 4 * r, args.x + col);
      tile += kT2R16TileBytes;
    }
    for (size_t r = 0; r < kT2R16Rows; ++r) args.sums[group + r] = sums[r] - args.x_sum;
  }
}

}  // namespace tern
