// SPDX-License-Identifier: MIT
// gemm_t2r16_neoni8mm: smmla multiplies two tokens by two rows, eight columns at a time. Half a
// tile, 8 rows, times four pairs of tokens has its sums in 16 registers.
#include <arm_neon.h>

#include "kernels/arm/token_pairs_inl.h"
#include "kernels/t2r16.h"
#include "kernels/variants.h"

namespace tern {
namespace {

constexpr size_t kHalfBytes = kT2R16TileBytes / 2;

// Two rows' codes of columns 0..7 and 8..15 of a tile.
struct RowPair {
  int8x16_t low_cols;
  int8x16_t high_cols;
};

// Rows' bytes next to the same bytes shifted by a code are, once masked, columns 0..7 of two rows,
// and shifted by two codes more, columns 8..15.
RowPair UnpackPair(uint32x4_t zipped) {
  const uint8x16_t low_bits = vdupq_n_u8(3);
  const uint8x16_t bytes = vreinterpretq_u8_u32(zipped);
  return {vreinterpretq_s8_u8(vandq_u8(bytes, low_bits)),
          vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(bytes, 4), low_bits))};
}

void UnpackHalf(const uint8_t* bytes, RowPair* pairs /*[kRowPairs]*/) {
  for (int v = 0; v < 2; ++v) {
    const uint8x16_t rows = vld1q_u8(bytes + 16 * v);
    const uint32x4_t even = vreinterpretq_u32_u8(rows);
    const uint32x4_t odd = vreinterpretq_u32_u8(vshrq_n_u8(rows, 2));
    pairs[2 * v] = UnpackPair(vzip1q_u32(even, odd));
    pairs[2 * v + 1] = UnpackPair(vzip2q_u32(even, odd));
  }
}

void StoreSums(const TokenPair& pair, const int32x4_t* sums /*[kRowPairs]*/, size_t row) {
  for (int r = 0; r < kRowPairs; r += 2) {
    const int32x4x2_t rows = ByToken(sums[r], sums[r + 1]);
    for (int i = 0; i < 2; ++i) {
      const int32x4_t x_sum = vdupq_n_s32(pair.x_sums[i]);
      vst1q_s32(pair.sums[i] + row + 2 * r, vsubq_s32(rows.val[i], x_sum));
    }
  }
}

// 8 rows, whose half tiles begin at `weights`, times kPairs pairs of tokens. A 32-bit lane holds at
// most 2 * 127 * cols.
template <int kPairs>
void RunHalf(const GemmArgs& args, const uint8_t* weights, size_t row, size_t token) {
  TokenPair tokens[kPairs];
  for (int p = 0; p < kPairs; ++p) tokens[p] = PairAt(args, token + 2 * p);
  int32x4_t sums[kPairs][kRowPairs];
  for (auto& of_pair : sums) {
    for (int32x4_t& sum : of_pair) sum = vdupq_n_s32(0);
  }
  for (size_t col = 0; col < args.cols; col += kT2R16Cols, weights += kT2R16TileBytes) {
    RowPair rows[kRowPairs];
    UnpackHalf(weights, rows);
    for (int p = 0; p < kPairs; ++p) {
      const int64x2_t first = vreinterpretq_s64_s8(vld1q_s8(tokens[p].x[0] + col));
      const int64x2_t second = vreinterpretq_s64_s8(vld1q_s8(tokens[p].x[1] + col));
      const int8x16_t low_cols = vreinterpretq_s8_s64(vzip1q_s64(first, second));
      const int8x16_t high_cols = vreinterpretq_s8_s64(vzip2q_s64(first, second));
      for (int r = 0; r < kRowPairs; ++r) {
        sums[p][r] = vmmlaq_s32(sums[p][r], low_cols, rows[r].low_cols);
        sums[p][r] = vmmlaq_s32(sums[p][r], high_cols, rows[r].high_cols);
      }
    }
  }
  for (int p = 0; p < kPairs; ++p) StoreSums(tokens[p], sums[p], row);
}

// The last tokens, from `token` on: at most kPairs pairs.
template <int kPairs>
void RunRest(const GemmArgs& args, const uint8_t* weights, size_t row, size_t token) {
  if ((args.tokens - token + 1) / 2 == kPairs) return RunHalf<kPairs>(args, weights, row, token);
  if constexpr (kPairs > 1) RunRest<kPairs - 1>(args, weights, row, token);
}

}  // namespace

void GemmT2R16NeonI8mm(const GemmArgs& args) {
  const size_t group_bytes = args.cols / kT2R16Cols * kT2R16TileBytes;
  const size_t halves = (args.rows + kT2R16Rows - 1) / kT2R16Rows * 2;
  for (size_t half = 0; half < halves; ++half) {
    const uint8_t* weights = args.weights + half / 2 * group_bytes + half % 2 * kHalfBytes;
    size_t token = 0;
    for (; token + 2 * kMaxPairs <= args.tokens; token += 2 * kMaxPairs) {
      RunHalf<kMaxPairs>(args, weights, half * kHalfRows, token);
    }
    RunRest<kMaxPairs>(args, weights, half * kHalfRows, token);
  }
}

}  // namespace tern
