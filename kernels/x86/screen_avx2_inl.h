// SPDX-License-Identifier: MIT
// The loops of screen kernels with vectors of 32 bytes. Included by exactly the
// screen_q8r16_{avx2,avxvnni}.cc files, in whose anonymous namespaces it lives: see
// vector_ops_inl.h.
//
// A tile is two vectors of 8 rows, loaded once for four vectors of x; with the first of these the
// row group that follows is fetched. Products has static Add(sums, codes, x4), in 32 bits.
#ifndef TERN_KERNELS_X86_SCREEN_AVX2_INL_H_
#define TERN_KERNELS_X86_SCREEN_AVX2_INL_H_

#include "kernels/prefetch_inl.h"
#include "kernels/screen.h"
#include "kernels/x86/avx2_inl.h"

namespace tern {
namespace {

// One row group times vectors [v, v + kVectors).
template <typename Products, int kVectors>
void GroupTimes(const GemmArgs& args, const uint8_t* weights, size_t row, size_t v) {
  const int8_t* x = args.x + v * args.x_stride;
  const size_t ahead = v == 0 ? args.cols * kQ8R16Rows : 0;
  Rows sums[kVectors];
  for (int i = 0; i < kVectors; ++i) sums[i] = SetRows(-args.x_sums[v + i]);
  for (size_t col = 0; col < args.cols; col += kQ8R16Cols, weights += kQ8R16TileBytes) {
    const Rows codes = LoadRows(weights);
    PrefetchNextGroups(weights + ahead);
    for (int i = 0; i < kVectors; ++i) {
      const __m256i x4 = Broadcast4(x + i * args.x_stride + col);
      sums[i] = {Products::Add(sums[i].low, codes.low, x4),
                 Products::Add(sums[i].high, codes.high, x4)};
    }
  }
  for (int i = 0; i < kVectors; ++i) {
    StoreRows(sums[i], args.sums + (v + i) * args.sums_stride + row);
  }
}

template <typename Products>
void RunScreen(const GemmArgs& args) {
  const uint8_t* weights = args.weights;
  for (size_t row = 0; row < args.rows; row += kQ8R16Rows, weights += args.cols * kQ8R16Rows) {
    size_t v = 0;
    for (; v + 4 <= args.tokens; v += 4) GroupTimes<Products, 4>(args, weights, row, v);
    for (; v + 2 <= args.tokens; v += 2) GroupTimes<Products, 2>(args, weights, row, v);
    if (v < args.tokens) GroupTimes<Products, 1>(args, weights, row, v);
  }
}

}  // namespace
}  // namespace tern

#endif  // TERN_KERNELS_X86_SCREEN_AVX2_INL_H_
