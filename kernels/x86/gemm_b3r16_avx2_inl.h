// SPDX-License-Identifier: MIT
// The loops of gemm_b3r16_avx2 and gemm_b3r16_avxvnni, in whose anonymous namespaces it lives: see
// vector_ops_inl.h. A panel, some columns of a row group, is unpacked once into the L1 cache, a
// byte a code, and serves all tokens. Products is as Avx2Products.
#ifndef TERN_KERNELS_X86_GEMM_B3R16_AVX2_INL_H_
#define TERN_KERNELS_X86_GEMM_B3R16_AVX2_INL_H_

#include "kernels/gemm.h"
#include "kernels/prefetch_inl.h"
#include "kernels/x86/b3r16_avx2_inl.h"

namespace tern {
namespace {

constexpr size_t kMaxPanelTiles = 12;
constexpr size_t kVectorBytes = 64;  // of Rows

struct Panel {
  alignas(64) uint8_t codes[kMaxPanelTiles * kB3R16Cols / 4][kVectorBytes];  // 16 rows x 4 columns
  size_t cols;
};

inline void Unpack(const uint8_t* weights, size_t tiles, Panel& panel) {
  for (size_t tile = 0; tile < tiles; ++tile, weights += kB3R16TileBytes) {
    Rows codes[kB3R16Cols / 4];
    UnpackB3R16(weights, codes);
    PrefetchStream(weights);
    for (size_t j = 0; j < kB3R16Cols / 4; ++j) {
      StoreRows(codes[j], panel.codes[tile * (kB3R16Cols / 4) + j]);
    }
  }
  panel.cols = tiles * kB3R16Cols;
}

// Adds the panel times tokens [token, token + kTokens) to the sums of its rows. x begins at its
// first column.
template <typename Products, int kTokens>
void AddPanel(const GemmArgs& args, const Panel& panel, const int8_t* x, size_t row, size_t token) {
  static_assert(kMaxPanelTiles * kB3R16Cols <= Products::kColsBeforeWidening);
  x += token * args.x_stride;
  Rows sums[kTokens];
  for (Rows& sum : sums) sum = SetRows(0);
  for (size_t col = 0; col < panel.cols; col += 4) {
    const Rows codes = LoadRows(panel.codes[col / 4]);
#pragma GCC unroll 8
    for (int t = 0; t < kTokens; ++t) {
      AddProducts<Products>(sums[t], codes, x + t * args.x_stride + col);
    }
  }
  for (int t = 0; t < kTokens; ++t) {
    int32_t* out = args.sums + (token + t) * args.sums_stride + row;
    StoreRows(Add32(LoadRows(out), Products::Widen(sums[t])), out);
  }
}

// The last tokens, from `token` on: at most kTokens.
template <typename Products, int kTokens>
void AddRest(const GemmArgs& args, const Panel& panel, const int8_t* x, size_t row, size_t token) {
  if (args.tokens - token == kTokens) {
    return AddPanel<Products, kTokens>(args, panel, x, row, token);
  }
  if constexpr (kTokens > 1) AddRest<Products, kTokens - 1>(args, panel, x, row, token);
}

// One row group. Codes are one more than trits, so sums begin with minus x_sums.
template <typename Products, int kMaxTokens>
void RunGroup(const GemmArgs& args, const uint8_t* weights, size_t row) {
  for (size_t t = 0; t < args.tokens; ++t) {
    StoreRows(SetRows(-args.x_sums[t]), args.sums + t * args.sums_stride + row);
  }
  const size_t tiles = (args.cols + kB3R16Cols - 1) / kB3R16Cols;
  Panel panel;
  for (size_t tile = 0; tile < tiles; tile += kMaxPanelTiles) {
    const size_t count = tiles - tile < kMaxPanelTiles ? tiles - tile : kMaxPanelTiles;
    Unpack(weights + tile * kB3R16TileBytes, count, panel);
    const int8_t* x = args.x + tile * kB3R16Cols;
    size_t token = 0;
    for (; token + kMaxTokens <= args.tokens; token += kMaxTokens) {
      AddPanel<Products, kMaxTokens>(args, panel, x, row, token);
    }
    AddRest<Products, kMaxTokens - 1>(args, panel, x, row, token);
  }
}

template <typename Products, int kMaxTokens>
void RunGemm(const GemmArgs& args) {
  const size_t group_bytes = (args.cols + kB3R16Cols - 1) / kB3R16Cols * kB3R16TileBytes;
  const uint8_t* weights = args.weights;
  for (size_t row = 0; row < args.rows; row += kB3R16Rows, weights += group_bytes) {
    RunGroup<Products, kMaxTokens>(args, weights, row);
  }
}

}  // namespace
}  // namespace tern

#endif  // TERN_KERNELS_X86_GEMM_B3R16_AVX2_INL_H_
