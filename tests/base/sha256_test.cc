// SPDX-License-Identifier: MIT
#include "base/sha256.h"

#include "gtest/gtest.h"

namespace tern {
namespace {

std::span<const uint8_t> Bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// FIPS 180-4 examples.
TEST(Sha256Test, MatchesTheStandard) {
  EXPECT_EQ(Sha256Hex(Bytes("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Sha256Test, PiecesGiveTheWhole) {
  Sha256 hash;
  hash.Update(Bytes("a"));
  hash.Update({});
  hash.Update(Bytes("bc"));
  EXPECT_EQ(hash.Finish(), Sha256Hex(Bytes("abc")));
}

TEST(Sha256Test, KnowsADigestFromAPath) {
  EXPECT_TRUE(IsSha256Hex(Sha256Hex({})));
  EXPECT_FALSE(IsSha256Hex(""));
  EXPECT_FALSE(IsSha256Hex("../../../../../../../../../../../../../../../../../../etc/passwd"));
  EXPECT_FALSE(IsSha256Hex(std::string(64, 'G')));
}

}  // namespace
}  // namespace tern
