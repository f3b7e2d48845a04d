// SPDX-License-Identifier: MIT
// gemv_tl1r16_portable: plain C++, the fallback, and what the other variants are easiest read
// after.
#include "kernels/tl1r16.h"
#include "kernels/variants.h"

namespace tern {
namespace {

struct Tables {
  int16_t sums[kTL1R16BlockCols / 2][9];  // by pair of columns and index
};

void MakeTables(const int8_t* x, size_t cols, Tables* tables) {
  for (size_t pair = 0; pair < cols / 2; ++pair) {
    for (int index = 0; index < 9; ++index) {
      const int sum = (index / 3 - 1) * x[2 * pair] + (index % 3 - 1) * x[2 * pair + 1];
      tables->sums[pair][index] = static_cast<int16_t>(sum);
    }
  }
}

// Adds `cols` columns of a row group, whose bytes begin at `weights`, to the sums of its 16 rows.
void AddCols(const Tables& tables, const uint8_t* weights, size_t cols, int32_t* sums) {
  for (size_t pair = 0; pair < cols / 2; pair += 2, weights += kTL1R16Rows) {
    for (size_t r = 0; r < kTL1R16Rows; ++r) {
      sums[r] += tables.sums[pair][weights[r] & 15] + tables.sums[pair + 1][weights[r] >> 4];
    }
  }
}

}  // namespace

// Indices stand for trits themselves, not for codes, so the sum of x is not needed.
void GemvTL1R16Portable(const GemvArgs& args) {
  const size_t padded_rows = (args.rows + kTL1R16Rows - 1) / kTL1R16Rows * kTL1R16Rows;
  for (size_t row = 0; row < padded_rows; ++row) args.sums[row] = 0;
  for (size_t col = 0; col < args.cols; col += kTL1R16BlockCols) {
    const size_t cols = args.cols - col < kTL1R16BlockCols ? args.cols - col : kTL1R16BlockCols;
    Tables tables;
    MakeTables(args.x + col, cols, &tables);
    for (size_t row = 0; row < args.rows; row += kTL1R16Rows) {
      AddCols(tables, args.weights + (row * args.cols + col * kTL1R16Rows) / 4, cols,
              args.sums + row);
    }
  }
}

}  // namespace tern
