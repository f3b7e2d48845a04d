// SPDX-License-Identifier: MIT
// The loops of gemv_b3r16_avx2 and gemv_b3r16_avxvnni, in whose anonymous namespaces it lives: see
// vector_ops_inl.h. Products is as Avx2Products.
#ifndef TERN_KERNELS_X86_GEMV_B3R16_AVX2_INL_H_
#define TERN_KERNELS_X86_GEMV_B3R16_AVX2_INL_H_

#include "kernels/gemv.h"
#include "kernels/prefetch_inl.h"
#include "kernels/x86/b3r16_avx2_inl.h"

namespace tern {
namespace {

template <typename Products>
Rows SumTiles(const uint8_t* weights, const int8_t* x, size_t tiles) {
  Rows sums = SetRows(0);
  for (size_t tile = 0; tile < tiles; ++tile, weights += kB3R16TileBytes, x += kB3R16Cols) {
    Rows codes[kB3R16Cols / 4];
    UnpackB3R16(weights, codes);
    PrefetchStream(weights);
#pragma GCC unroll 5
    for (size_t j = 0; j < kB3R16Cols / 4; ++j) AddProducts<Products>(sums, codes[j], x + 4 * j);
  }
  return Products::Widen(sums);
}

template <typename Products>
void RunGemv(const GemvArgs& args) {
  constexpr size_t kTiles = Products::kColsBeforeWidening / kB3R16Cols;
  const size_t tiles = (args.cols + kB3R16Cols - 1) / kB3R16Cols;
  const uint8_t* weights = args.weights;
  for (size_t row = 0; row < args.rows; row += kB3R16Rows, weights += tiles * kB3R16TileBytes) {
    Rows sums = SetRows(-args.x_sum);
    for (size_t tile = 0; tile < tiles; tile += kTiles) {
      const size_t count = tiles - tile < kTiles ? tiles - tile : kTiles;
      sums = Add32(sums, SumTiles<Products>(weights + tile * kB3R16TileBytes,
                                            args.x + tile * kB3R16Cols, count));
    }
    StoreRows(sums, args.sums + row);
  }
}

}  // namespace
}  // namespace tern

#endif  // TERN_KERNELS_X86_GEMV_B3R16_AVX2_INL_H_
