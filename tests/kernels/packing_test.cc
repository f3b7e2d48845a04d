// SPDX-License-Identifier: MIT
#include "kernels/packing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "kernels/b3r16.h"
#include "tests/kernels/ternary.h"

namespace tern {
namespace {

using ::testing::Each;

// T2R16 straight from its definition in kernels/t2r16.h, one trit at a time.
std::vector<uint8_t> DefineT2R16(const TernaryMatrix& w) {
  std::vector<uint8_t> packed(PackedBytes(Packing::kT2R16, w.rows, w.cols), 0);
  for (size_t row = 0; row < RoundUp(w.rows, 16); ++row) {
    for (size_t col = 0; col < w.cols; ++col) {
      const int trit = row < w.rows ? w.trits[row * w.cols + col] : 0;
      const size_t tile = row / 16 * (w.cols / 16) + col / 16;
      const size_t byte = tile * 64 + row % 16 * 4 + col % 4;
      packed[byte] |= static_cast<uint8_t>((trit + 1) << (col % 16 / 4 * 2));
    }
  }
  return packed;
}

// B3R16 from its definition in kernels/b3r16.h, one byte at a time.
std::vector<uint8_t> DefineB3R16(const TernaryMatrix& w) {
  std::vector<uint8_t> packed(PackedBytes(Packing::kB3R16, w.rows, w.cols), 0);
  const size_t tiles = RoundUp(w.cols, 20) / 20;
  for (size_t i = 0; i < packed.size(); ++i) {
    const size_t row = i / 64 / tiles * 16 + i % 64 / 4;
    int d[5];
    for (size_t j = 0; j < 5; ++j) {
      const size_t col = i / 64 % tiles * 20 + 4 * j + i % 4;
      d[j] = col >= w.cols ? 0 : row >= w.rows ? 1 : w.trits[row * w.cols + col] + 1;
    }
    const int sum = d[0] + 3 * d[1] + 9 * d[2] + 27 * d[3];
    packed[i] =
        static_cast<uint8_t>(sum < 64 ? 64 * d[4] + sum : 193 + (sum - 64) + 21 * (2 - d[4]));
  }
  return packed;
}

// TL1R16 from its definition in kernels/tl1r16.h, one pair at a time.
std::vector<uint8_t> DefineTL1R16(const TernaryMatrix& w) {
  std::vector<uint8_t> packed(PackedBytes(Packing::kTL1R16, w.rows, w.cols), 0);
  for (size_t row = 0; row < RoundUp(w.rows, 16); ++row) {
    for (size_t col = 0; col < w.cols; col += 2) {
      const int8_t* pair = w.trits.data() + row * w.cols + col;
      const int index = row < w.rows ? 3 * pair[0] + pair[1] + 4 : 4;
      const size_t byte = row / 16 * 16 * w.cols / 4 + col / 4 * 16 + row % 16;
      packed[byte] |= static_cast<uint8_t>(index << (col % 4 * 2));
    }
  }
  return packed;
}

class PackingTest : public ::testing::TestWithParam<PackingInfo> {
 protected:
  Packing packing() const { return GetParam().packing; }
};

TEST_P(PackingTest, UnpackReversesPackForEveryShape) {
  std::mt19937 rng(1);
  for (size_t rows : {1, 2, 15, 16, 17, 31, 32, 50}) {
    for (size_t cols : {16, 32, 48, 64, 80, 96, 128, 640}) {
      const TernaryMatrix w = RandomTernary(rows, cols, rng);
      const std::vector<uint8_t> packed = Pack(w, packing());
      std::vector<int8_t> row(cols);
      for (size_t r = 0; r < rows; ++r) {
        UnpackRow(packing(), packed.data(), cols, r, row.data());
        EXPECT_THAT(row, ::testing::ElementsAreArray(w.trits.data() + r * cols, cols));
      }
      for (size_t r = rows; r < RoundUp(rows, GetParam().tile_rows); ++r) {
        UnpackRow(packing(), packed.data(), cols, r, row.data());
        EXPECT_THAT(row, Each(0)) << "padding row " << r << " of " << rows << "x" << cols;
      }
    }
  }
}

// As threads share it: any order, and nothing outside of the given rows is touched.
TEST_P(PackingTest, PackByPartsEqualsTheWhole) {
  std::mt19937 rng(3);
  const TernaryMatrix w = RandomTernary(85, 256, rng);
  std::vector<uint8_t> packed(PackedBytes(packing(), 85, 256), 0xff);
  const auto pack = [&](size_t begin, size_t end) {
    PackRows(packing(), w.trits.data() + begin * w.cols, w.cols, begin, end, packed.data());
  };
  const size_t first = PackedBytes(packing(), kRowSplit, 256);
  pack(kRowSplit, 2 * kRowSplit);
  EXPECT_THAT(std::span(packed).first(first), Each(0xff));
  EXPECT_THAT(std::span(packed).subspan(2 * first), Each(0xff));
  pack(2 * kRowSplit, 85);
  pack(0, kRowSplit);
  EXPECT_EQ(packed, Pack(w, packing()));
}

TEST_P(PackingTest, NamesAndTiles) {
  EXPECT_EQ(&InfoOf(packing()), &Packings()[static_cast<size_t>(packing())]);
  EXPECT_EQ(kRowSplit % GetParam().tile_rows, 0u);
  EXPECT_EQ(PackedBytes(packing(), 1, 1), GetParam().tile_bytes);
}

INSTANTIATE_TEST_SUITE_P(All, PackingTest,
                         ::testing::ValuesIn(Packings().begin(), Packings().end()),
                         [](const auto& test) { return test.param.name; });

TEST(PackingsTest, AreTheirDefinitions) {
  std::mt19937 rng(2);
  for (size_t rows : {1, 16, 17, 50}) {
    for (size_t cols : {16, 128, 160, 640}) {
      const TernaryMatrix w = RandomTernary(rows, cols, rng);
      EXPECT_EQ(Pack(w, Packing::kT2R16), DefineT2R16(w)) << rows << "x" << cols;
      EXPECT_EQ(Pack(w, Packing::kB3R16), DefineB3R16(w)) << rows << "x" << cols;
      EXPECT_EQ(Pack(w, Packing::kTL1R16), DefineTL1R16(w)) << rows << "x" << cols;
    }
  }
}

// The examples of docs/kernels.md.
TEST(PackingsTest, AreAsDocumented) {
  TernaryMatrix w = ConstantTernary(1, 128, 0);
  w.trits[0] = 1;
  w.trits[5] = -1;
  w.trits[31] = 1;
  const std::vector<uint8_t> t2r16 = Pack(w, Packing::kT2R16);
  EXPECT_EQ(t2r16[0], 0x56);
  EXPECT_EQ(t2r16[1], 0x51);
  EXPECT_EQ(t2r16[2], 0x55);
  EXPECT_EQ(t2r16[64 + 3], 0x95);
  const std::vector<uint8_t> b3r16 = Pack(w, Packing::kB3R16);
  EXPECT_EQ(b3r16[0], 64 + 2 + 3 + 9 + 27);
  EXPECT_EQ(b3r16[1], 64 + 1 + 0 + 9 + 27);
  EXPECT_EQ(b3r16[2], 64 + 1 + 3 + 9 + 27);
  EXPECT_EQ(b3r16[64 + 3], 64 + 1 + 3 + 2 * 9 + 27);
  const std::vector<uint8_t> tl1r16 = Pack(w, Packing::kTL1R16);
  EXPECT_EQ(tl1r16[0], 0x47);
  EXPECT_EQ(tl1r16[16], 0x43);
  EXPECT_EQ(tl1r16[32], 0x44);
  EXPECT_EQ(tl1r16[7 * 16], 0x54);
}

}  // namespace
}  // namespace tern
