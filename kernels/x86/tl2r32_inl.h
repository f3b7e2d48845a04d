// SPDX-License-Identifier: MIT
// The loops of TL2R32 kernels over blocks and row groups. Included by exactly the *_tl2r32_<isa>.cc
// files, in whose anonymous namespaces it lives: see vector_ops_inl.h.
#ifndef TERN_KERNELS_X86_TL2R32_INL_H_
#define TERN_KERNELS_X86_TL2R32_INL_H_

#include <immintrin.h>

#include "kernels/gemv.h"
#include "kernels/tl2r32.h"

namespace tern {
namespace {

// Rows of one gemv within a gemm, each of which makes its token's tables again.
constexpr size_t kTL2R32RowsAtOnce = 8 * kTL2R32Rows;

constexpr size_t TL2R32Tiles(size_t cols) { return (cols + kTL2R32Cols - 1) / kTL2R32Cols; }

constexpr size_t TL2R32BytesAtOnce(size_t cols) {
  return kTL2R32RowsAtOnce / kTL2R32Rows * TL2R32Tiles(cols) * kTL2R32TileBytes;
}

// The tables fill most of the L1 cache, and the hardware's prefetch comes too late.
inline void PrefetchTileAfter(const uint8_t* tile) {
  constexpr size_t kPrefetchBytes = 10 * kTL2R32TileBytes;
  for (size_t line = 0; line < kTL2R32TileBytes; line += 64) {
    _mm_prefetch(reinterpret_cast<const char*>(tile + kPrefetchBytes + line), _MM_HINT_T0);
  }
}

// kMakeTables(x, triples, tables) fills tables with the products of so many triples of columns,
// from x on; kAddTiles(weights, tiles, tables, sums) adds so many tiles to the sums of their 32
// rows.
template <typename Tables, auto kMakeTables, auto kAddTiles>
inline void RunTL2R32(const GemvArgs& args) {
  const size_t tiles = TL2R32Tiles(args.cols);
  const size_t groups = (args.rows + kTL2R32Rows - 1) / kTL2R32Rows;
  for (size_t i = 0; i < groups * kTL2R32Rows; ++i) args.sums[i] = 0;
  constexpr size_t kBlockTiles = kTL2R32BlockCols / kTL2R32Cols;
  Tables tables;
  for (size_t tile = 0; tile < tiles; tile += kBlockTiles) {
    const size_t count = tiles - tile < kBlockTiles ? tiles - tile : kBlockTiles;
    kMakeTables(args.x + tile * kTL2R32Cols, count * kTL2R32Triples, tables);
    for (size_t group = 0; group < groups; ++group) {
      kAddTiles(args.weights + (group * tiles + tile) * kTL2R32TileBytes, count, tables,
                args.sums + group * kTL2R32Rows);
    }
  }
}

}  // namespace
}  // namespace tern

#endif  // TERN_KERNELS_X86_TL2R32_INL_H_
