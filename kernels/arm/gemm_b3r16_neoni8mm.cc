// SPDX-License-Identifier: MIT
// gemm_b3r16_neoni8mm: smmla multiplies two tokens by two rows, eight columns at a time. Two tiles,
// 40 columns, are five times eight: a panel of such is unpacked once into the L1 cache and serves
// all tokens.
#include <arm_neon.h>

#include "kernels/arm/b3r16_neon_inl.h"
#include "kernels/arm/token_pairs_inl.h"
#include "kernels/variants.h"

namespace tern {
namespace {

constexpr size_t kPanelTiles = 12;
constexpr size_t kBlockCols = 8;
constexpr size_t kVectorRows = 4;

// codes[block][pair] is 2 rows x 8 columns.
struct Panel {
  int8x16_t codes[kPanelTiles * kB3R16Cols / kBlockCols][kB3R16Rows / 2];
  size_t cols;
};

// Two row pairs of one block, from four columns and the next four of 4 rows.
void StoreBlock(int8x16_t even, int8x16_t odd, int8x16_t* pairs) {
  const uint32x4_t e = vreinterpretq_u32_s8(even);
  const uint32x4_t o = vreinterpretq_u32_s8(odd);
  pairs[0] = vreinterpretq_s8_u32(vzip1q_u32(e, o));
  pairs[1] = vreinterpretq_s8_u32(vzip2q_u32(e, o));
}

// A last odd tile is followed by codes of 0, which fill its last block.
void UnpackPanel(const uint8_t* weights, size_t tiles, Panel& panel) {
  for (size_t tile = 0; tile < tiles; tile += 2, weights += 2 * kB3R16TileBytes) {
    const size_t block = tile * kB3R16Cols / kBlockCols;
    for (size_t v = 0; v < kB3R16Rows / kVectorRows; ++v) {
      const B3R16Columns a = UnpackB3R16(weights + 16 * v);
      StoreBlock(a.five[0], a.five[1], &panel.codes[block][2 * v]);
      StoreBlock(a.five[2], a.five[3], &panel.codes[block + 1][2 * v]);
      if (tile + 1 == tiles) {
        StoreBlock(a.five[4], vdupq_n_s8(0), &panel.codes[block + 2][2 * v]);
        continue;
      }
      const B3R16Columns b = UnpackB3R16(weights + kB3R16TileBytes + 16 * v);
      StoreBlock(a.five[4], b.five[0], &panel.codes[block + 2][2 * v]);
      StoreBlock(b.five[1], b.five[2], &panel.codes[block + 3][2 * v]);
      StoreBlock(b.five[3], b.five[4], &panel.codes[block + 4][2 * v]);
    }
  }
  panel.cols = tiles * kB3R16Cols;
}

// A block's columns of two tokens. At the end of an odd tile there are four, twice: see Unpack.
int8x16_t LoadPair(const TokenPair& pair, size_t col, bool is_half) {
  if (is_half) {
    return vcombine_s8(vget_low_s8(LoadFour(pair.x[0] + col)),
                       vget_low_s8(LoadFour(pair.x[1] + col)));
  }
  return vcombine_s8(vld1_s8(pair.x[0] + col), vld1_s8(pair.x[1] + col));
}

// Adds 8 rows' sums to those of a pair of tokens.
void AddSums(const TokenPair& pair, const int32x4_t* sums /*[kRowPairs]*/, size_t row) {
  for (int r = 0; r < kRowPairs; r += 2) {
    const int32x4x2_t rows = ByToken(sums[r], sums[r + 1]);
    for (int i = 0; i < (pair.is_one ? 1 : 2); ++i) {
      int32_t* out = pair.sums[i] + row + 2 * r;
      vst1q_s32(out, vaddq_s32(vld1q_s32(out), rows.val[i]));
    }
  }
}

// 8 rows, whose pairs begin at `first_pair`, times kPairs pairs of tokens and the panel's columns,
// the first of which is `first_col`. A 32-bit lane holds at most 2 * 127 * cols.
template <int kPairs>
void AddHalf(const GemmArgs& args, const Panel& panel, size_t first_col, size_t first_pair,
             size_t row, size_t token) {
  TokenPair tokens[kPairs];
  for (int p = 0; p < kPairs; ++p) tokens[p] = PairAt(args, token + 2 * p);
  int32x4_t sums[kPairs][kRowPairs];
  for (auto& of_pair : sums) {
    for (int32x4_t& sum : of_pair) sum = vdupq_n_s32(0);
  }
  for (size_t col = 0; col < panel.cols; col += kBlockCols) {
    const int8x16_t* codes = panel.codes[col / kBlockCols] + first_pair;
    for (int p = 0; p < kPairs; ++p) {
      const int8x16_t x = LoadPair(tokens[p], first_col + col, col + kBlockCols > panel.cols);
      for (int r = 0; r < kRowPairs; ++r) sums[p][r] = vmmlaq_s32(sums[p][r], x, codes[r]);
    }
  }
  for (int p = 0; p < kPairs; ++p) AddSums(tokens[p], sums[p], row);
}

// The last tokens, from `token` on: at most kPairs pairs.
template <int kPairs>
void AddRest(const GemmArgs& args, const Panel& panel, size_t first_col, size_t first_pair,
             size_t row, size_t token) {
  if ((args.tokens - token + 1) / 2 == kPairs) {
    return AddHalf<kPairs>(args, panel, first_col, first_pair, row, token);
  }
  if constexpr (kPairs > 1) {
    AddRest<kPairs - 1>(args, panel, first_col, first_pair, row, token);
  }
}

void AddPanel(const GemmArgs& args, const Panel& panel, size_t first_col, size_t row) {
  for (size_t first_pair = 0; first_pair < kB3R16Rows / 2; first_pair += kRowPairs) {
    const size_t half_row = row + 2 * first_pair;
    size_t token = 0;
    for (; token + 2 * kMaxPairs <= args.tokens; token += 2 * kMaxPairs) {
      AddHalf<kMaxPairs>(args, panel, first_col, first_pair, half_row, token);
    }
    AddRest<kMaxPairs>(args, panel, first_col, first_pair, half_row, token);
  }
}

// Codes are one more than trits, so sums begin with minus x_sums.
void BeginSums(const GemmArgs& args, size_t row) {
  for (size_t t = 0; t < args.tokens; ++t) {
    const int32x4_t minus_x_sum = vdupq_n_s32(-args.x_sums[t]);
    int32_t* out = args.sums + t * args.sums_stride + row;
    for (size_t r = 0; r < kB3R16Rows; r += kVectorRows) vst1q_s32(out + r, minus_x_sum);
  }
}

}  // namespace

void GemmB3R16NeonI8mm(const GemmArgs& args) {
  const size_t tiles = (args.cols + kB3R16Cols - 1) / kB3R16Cols;
  const uint8_t* weights = args.weights;
  Panel panel;
  for (size_t row = 0; row < args.rows; row += kB3R16Rows, weights += tiles * kB3R16TileBytes) {
    BeginSums(args, row);
    for (size_t tile = 0; tile < tiles; tile += kPanelTiles) {
      const size_t count = tiles - tile < kPanelTiles ? tiles - tile : kPanelTiles;
      UnpackPanel(weights + tile * kB3R16TileBytes, count, panel);
      AddPanel(args, panel, tile * kB3R16Cols, row);
    }
  }
}

}  // namespace tern
