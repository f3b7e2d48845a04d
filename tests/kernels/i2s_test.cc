// SPDX-License-Identifier: MIT
#include "kernels/i2s.h"

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
TEST(I2STest, PacksTheWorkedBlock) {
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
TEST(I2STest, PacksTheWorkedTensor) {
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

TEST(I2STest, PacksConstants) {
  EXPECT_THAT(PackedI2S(std::vector<int8_t>(256, 0)), Each(0x55));
  EXPECT_THAT(PackedI2S(std::vector<int8_t>(256, 1)), Each(0xaa));
  EXPECT_THAT(PackedI2S(std::vector<int8_t>(256, -1)), Each(0x00));
}

TEST(I2STest, UnpackReversesPack) {
  std::mt19937 rng(1);
  const std::vector<int8_t> trits = RandomTernary(7, 384, rng).trits;
  std::vector<int8_t> unpacked(trits.size(), 99);
  ASSERT_TRUE(UnpackI2S(PackedI2S(trits), unpacked).ok());
  EXPECT_EQ(unpacked, trits);
}

// Each of the four fields of a byte, at both ends of the data and between.
TEST(I2STest, RefusesCode3AndNamesTheByte) {
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
    }
  }
}

}  // namespace
}  // namespace tern
