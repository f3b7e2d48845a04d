// SPDX-License-Identifier: MIT
#include "base/crc32c.h"

#include <cstring>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace tern {
namespace {

std::span<const uint8_t> Bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// The examples of RFC 3720, appendix B.4.
TEST(Crc32cTest, MatchesTheRfc) {
  EXPECT_EQ(Crc32c(Bytes(std::string(32, '\0'))), 0x8A9136AAu);
  EXPECT_EQ(Crc32c(Bytes(std::string(32, '\xFF'))), 0x62A8AB43u);
  std::string ascending;
  for (char c = 0; c < 32; ++c) ascending += c;
  EXPECT_EQ(Crc32c(Bytes(ascending)), 0x46DD794Eu);
  EXPECT_EQ(Crc32c(Bytes("123456789")), 0xE3069283u);
}

TEST(Crc32cTest, PiecesGiveTheWhole) {
  const std::string text = "streams activations from worker to worker";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    const uint32_t head = Crc32c(Bytes(text.substr(0, cut)));
    EXPECT_EQ(Crc32c(Bytes(text.substr(cut)), head), Crc32c(Bytes(text))) << cut;
  }
}

TEST(Crc32cTest, SeesEveryFlippedBit) {
  std::vector<uint8_t> bytes(67, 0x5A);
  const uint32_t right = Crc32c(bytes);
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= 1 << bit % 8;
    EXPECT_NE(Crc32c(bytes), right) << bit;
    bytes[bit / 8] ^= 1 << bit % 8;
  }
}

}  // namespace
}  // namespace tern
