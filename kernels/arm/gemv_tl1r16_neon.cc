// SPDX-License-Identifier: MIT
// gemv_tl1r16_neon: a table's sums of 16 bits as two planes of bytes, one `tbl` each for 16 rows.
#include <arm_neon.h>

#include "kernels/tl1r16.h"
#include "kernels/variants.h"

namespace tern {
namespace {

// The nine sums of a pair, by index; the other bytes do not matter.
struct Table {
  uint8_t low[16];   // the lower halves
  uint8_t high[16];  // the upper: 0 or -1, as sums are at most 254 in magnitude
};

struct Tables {
  Table pairs[kTL1R16BlockCols / 2];
};

// Trits of indices 0 to 7; index 8 is (1, 1).
constexpr int16_t kFirstTrits[8] = {-1, -1, -1, 0, 0, 0, 1, 1};
constexpr int16_t kSecondTrits[8] = {-1, 0, 1, -1, 0, 1, -1, 0};

void MakeTables(const int8_t* x, size_t cols, Tables* tables) {
  const int16x8_t first = vld1q_s16(kFirstTrits), second = vld1q_s16(kSecondTrits);
  for (size_t pair = 0; pair < cols / 2; ++pair) {
    const int16_t x0 = x[2 * pair], x1 = x[2 * pair + 1];
    const int8x16_t eight = vreinterpretq_s8_s16(vmlaq_n_s16(vmulq_n_s16(first, x0), second, x1));
    const int8x16_t ninth = vreinterpretq_s8_s16(vdupq_n_s16(static_cast<int16_t>(x0 + x1)));
    vst1q_u8(tables->pairs[pair].low, vreinterpretq_u8_s8(vuzp1q_s8(eight, ninth)));
    vst1q_u8(tables->pairs[pair].high, vreinterpretq_u8_s8(vuzp2q_s8(eight, ninth)));
  }
}

// Sums of 16 rows. Halves may wrap: only the whole, modulo 2^16, is read, and it is within 16 bits
// (tl1r16.h).
struct HalfSums {
  uint16x8_t low_of_first;   // rows 0..7
  uint16x8_t low_of_second;  // rows 8..15
  uint8x16_t high;

  void Add(const Table& table, uint8x16_t indices) {
    const uint8x16_t low = vqtbl1q_u8(vld1q_u8(table.low), indices);
    low_of_first = vaddw_u8(low_of_first, vget_low_u8(low));
    low_of_second = vaddw_high_u8(low_of_second, low);
    high = vaddq_u8(high, vqtbl1q_u8(vld1q_u8(table.high), indices));
  }
  int16x8_t First() const {
    return vreinterpretq_s16_u16(vaddq_u16(low_of_first, vshll_n_u8(vget_low_u8(high), 8)));
  }
  int16x8_t Second() const {
    return vreinterpretq_s16_u16(vaddq_u16(low_of_second, vshll_high_n_u8(high, 8)));
  }
};

void AddEight(int16x8_t eight, int32_t* sums) {
  vst1q_s32(sums, vaddw_s16(vld1q_s32(sums), vget_low_s16(eight)));
  vst1q_s32(sums + 4, vaddw_high_s16(vld1q_s32(sums + 4), eight));
}

// Adds `cols` columns of a row group, whose bytes begin at `weights`, to the sums of its 16 rows.
void AddCols(const Tables& tables, const uint8_t* weights, size_t cols, int32_t* sums) {
  HalfSums halves = {vdupq_n_u16(0), vdupq_n_u16(0), vdupq_n_u8(0)};
  for (size_t pair = 0; pair < cols / 2; pair += 2, weights += kTL1R16Rows) {
    const uint8x16_t bytes = vld1q_u8(weights);
    halves.Add(tables.pairs[pair], vandq_u8(bytes, vdupq_n_u8(15)));
    halves.Add(tables.pairs[pair + 1], vshrq_n_u8(bytes, 4));
  }
  AddEight(halves.First(), sums);
  AddEight(halves.Second(), sums + 8);
}

}  // namespace

void GemvTL1R16Neon(const GemvArgs& args) {
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
