// SPDX-License-Identifier: MIT
#include "kernels/packing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "base/sha256.h"
#include "tests/kernels/ternary.h"

namespace tern {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

std::vector<uint8_t> PackedI2S(const std::vector<int8_t>& trits) {
  std::vector<uint8_t> packed(trits.size() / 4);
  PackI2S(trits, packed);
  return packed;
}

std::string Hex(std::span<const uint8_t> bytes) {
  const std::string text(bytes.begin(), bytes.end());
  return absl::BytesToHexString(text);
}

// One block, as bitnet.cpp's converter writes it.
TEST(PackingTest, PacksTheWorkedBlock) {
  std::vector<int8_t> trits;
  for (char c : std::string("+0-00+----0+--++----+0+----+0++++0++00--++--0+-++--+0+-0-0+0000-"
                            "0--++000+-0-000-+-0-0000-+++--00+-+0-----++++00-+0-0000-+++-+-0+")) {
    trits.push_back(c == '+' ? 1 : c == '-' ? -1 : 0);
  }
  EXPECT_EQ(trits, ExampleTrits(128, 1));
  EXPECT_EQ(Hex(PackedI2S(trits)),
            "a65022695894040428224682162585a02a01042195658514021a2a9852909586");
}

// 2 rows of 256 columns; the digest is of the tensor as it lies in a file, scale 0.0425 and all.
TEST(PackingTest, PacksTheWorkedTensor) {
  std::vector<uint8_t> bytes = PackedI2S(ExampleTrits(512, 7));
  EXPECT_EQ(Hex(bytes),
            "5aa98116998415958aa68a5a9689a24866aa54910aaa220844a040198a8a8a52"
            "6604844410891a55586a920154a9094211564aa40059692200655a241a24821a"
            "5886920449a5855401481989608902006840848844628622525181552185096160"
            "611440650551a568994a16641922605209a2a5514952462254866a48024161");
  const std::vector<uint8_t> scale = {0x7b, 0x14, 0x2e, 0x3d};
  bytes.insert(bytes.end(), scale.begin(), scale.end());
  bytes.resize(512 / 4 + kI2STailBytes);
  EXPECT_EQ(Sha256Hex(bytes), "738c9e8f810eb41b80f485d2e4a0cb9a62d8abfad1951177a671ab95247fe9d0");
}

TEST(PackingTest, PacksConstants) {
  EXPECT_THAT(PackedI2S(std::vector<int8_t>(256, 0)), Each(0x55));
  EXPECT_THAT(PackedI2S(std::vector<int8_t>(256, 1)), Each(0xaa));
  EXPECT_THAT(PackedI2S(std::vector<int8_t>(256, -1)), Each(0x00));
}

TEST(PackingTest, UnpackReversesPack) {
  std::mt19937 rng(1);
  const std::vector<int8_t> trits = RandomTernary(7, 384, rng).trits;
  std::vector<int8_t> unpacked(trits.size(), 99);
  ASSERT_TRUE(UnpackI2S(PackedI2S(trits), unpacked).ok());
  EXPECT_EQ(unpacked, trits);
}

// Each of the four fields of a byte, at both ends of the data and between.
TEST(PackingTest, RefusesCode3AndNamesTheByte) {
  const std::vector<uint8_t> good = PackedI2S(std::vector<int8_t>(20 * 256, 1));
  for (size_t byte : {size_t{0}, size_t{31}, size_t{700}, good.size() - 1}) {
    for (int field = 0; field < 4; ++field) {
      std::vector<uint8_t> bad = good;
      bad[byte] |= static_cast<uint8_t>(3 << 2 * field);
      const std::string where = "I2_S byte " + std::to_string(byte) + ":";

      std::vector<int8_t> trits(bad.size() * 4);
      const absl::Status unpacked = UnpackI2S(bad, trits);
      EXPECT_EQ(unpacked.code(), absl::StatusCode::kDataLoss);
      EXPECT_THAT(std::string(unpacked.message()), HasSubstr(where));

      std::vector<uint8_t> t2r16(T2R16Bytes(20, 256));
      const absl::Status repacked = RepackI2SToT2R16(bad.data(), 256, 0, 20, t2r16.data());
      EXPECT_EQ(repacked.code(), absl::StatusCode::kDataLoss);
      EXPECT_THAT(std::string(repacked.message()), HasSubstr(where));
    }
  }
}

// The example of docs/kernels.md.
TEST(PackingTest, RepacksTheDocumentedTile) {
  TernaryMatrix w = ConstantTernary(1, 128, 0);
  w.trits[0] = 1;   // tile 0, byte 0, bits 0..1
  w.trits[5] = -1;  // tile 0, byte 1, bits 2..3
  w.trits[31] = 1;  // tile 1, byte 3, bits 6..7
  std::vector<uint8_t> t2r16(T2R16Bytes(1, 128));
  ASSERT_TRUE(RepackI2SToT2R16(PackedI2S(w.trits).data(), 128, 0, 1, t2r16.data()).ok());
  EXPECT_EQ(t2r16[0], 0x56);
  EXPECT_EQ(t2r16[1], 0x51);
  EXPECT_EQ(t2r16[2], 0x55);
  EXPECT_EQ(t2r16[64 + 3], 0x95);
}

TEST(PackingTest, RepackEqualsTheDefinition) {
  std::mt19937 rng(2);
  for (size_t rows : {1, 2, 15, 16, 17, 31, 32, 50}) {
    for (size_t cols : {128, 256, 640}) {
      const TernaryMatrix w = RandomTernary(rows, cols, rng);
      std::vector<uint8_t> t2r16(T2R16Bytes(rows, cols), 0xff);
      ASSERT_TRUE(RepackI2SToT2R16(PackedI2S(w.trits).data(), cols, 0, rows, t2r16.data()).ok());
      EXPECT_EQ(t2r16, PackT2R16(w)) << rows << "x" << cols;
    }
  }
}

// As threads share it: any order, and nothing outside the given rows is touched.
TEST(PackingTest, RepackBySlicesEqualsTheWhole) {
  std::mt19937 rng(3);
  const TernaryMatrix w = RandomTernary(53, 256, rng);
  const std::vector<uint8_t> i2s = PackedI2S(w.trits);
  std::vector<uint8_t> t2r16(T2R16Bytes(53, 256), 0xff);
  const size_t group_bytes = T2R16Bytes(16, 256);

  ASSERT_TRUE(RepackI2SToT2R16(i2s.data(), 256, 16, 32, t2r16.data()).ok());
  EXPECT_THAT(std::span(t2r16).first(group_bytes), Each(0xff));
  EXPECT_THAT(std::span(t2r16).subspan(2 * group_bytes), Each(0xff));
  ASSERT_TRUE(RepackI2SToT2R16(i2s.data(), 256, 32, 53, t2r16.data()).ok());
  ASSERT_TRUE(RepackI2SToT2R16(i2s.data(), 256, 0, 16, t2r16.data()).ok());
  EXPECT_EQ(t2r16, PackT2R16(w));
}

}  // namespace
}  // namespace tern
