// SPDX-License-Identifier: MIT
// gemv_tl2r32_portable: plain C++, the fallback, and what the other variants are easiest read
// after.
#include <algorithm>

#include "kernels/tl2r32.h"
#include "kernels/variants.h"

namespace tern {
namespace {

using Table = int16_t[kTL2R32Entries];

// The products of the triples of columns [begin, end).
void MakeTables(const int8_t* x, size_t begin, size_t end, Table* tables) {
  for (size_t col = begin; col < end; col += 3, ++tables) {
    for (size_t i = 0; i < kTL2R32Entries; ++i) {
      (*tables)[i] =
          static_cast<int16_t>(kTL2R32Trits.a[i] * x[col] + kTL2R32Trits.b[i] * x[col + 1] +
                               kTL2R32Trits.c[i] * x[col + 2]);
    }
  }
}

void AddTile(const uint8_t* tile, const Table* tables, int32_t* sums) {
  for (size_t i = 0; i < kTL2R32Triples; ++i) {
    for (size_t row = 0; row < kTL2R32Rows; ++row) {
      const int magnitude = tile[i / 2 * kTL2R32Rows + row] >> (i % 2 * 4) & 15;
      const bool negative = tile[kTL2R32SignsAt + 4 * i + row / 8] >> row % 8 & 1;
      const int product = tables[i][magnitude];
      sums[row] += negative ? -product : product;
    }
  }
}

}  // namespace

void GemvTL2R32Portable(const GemvArgs& args) {
  const size_t padded_cols = (args.cols + kTL2R32Cols - 1) / kTL2R32Cols * kTL2R32Cols;
  const size_t group_bytes = padded_cols / kTL2R32Cols * kTL2R32TileBytes;
  const size_t groups = (args.rows + kTL2R32Rows - 1) / kTL2R32Rows;
  std::fill_n(args.sums, groups * kTL2R32Rows, 0);
  Table tables[kTL2R32BlockCols / 3];
  for (size_t begin = 0; begin < padded_cols; begin += kTL2R32BlockCols) {
    const size_t end = std::min(begin + kTL2R32BlockCols, padded_cols);
    MakeTables(args.x, begin, end, tables);
    for (size_t group = 0; group < groups; ++group) {
      const uint8_t* weights = args.weights + group * group_bytes;
      for (size_t col = begin; col < end; col += kTL2R32Cols) {
        AddTile(weights + col / kTL2R32Cols * kTL2R32TileBytes, tables + (col - begin) / 3,
                args.sums + group * kTL2R32Rows);
      }
    }
  }
}

}  // namespace tern
