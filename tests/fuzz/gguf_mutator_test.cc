// SPDX-License-Identifier: MIT
// That the mutator gets past the header: what it makes is whole but for one thing or a few.
#include "tests/fuzz/gguf_mutator.h"

#include <gtest/gtest.h>

#include <set>

#include "formats/gguf.h"
#include "tests/formats/gguf_bytes.h"

namespace tern {
namespace {

std::string Good() {
  return GgufBytes()
      .Header(2, 2)
      .Key("general.architecture", 8)
      .String("bitnet")
      .Key("a.list", 9)
      .Number<uint32_t>(4)
      .Number<uint64_t>(2)
      .Number<uint32_t>(7)
      .Number<uint32_t>(8)
      .Tensor("one", {16, 2}, 0, 0)
      .Tensor("two", {8}, 0, 128)
      .Data(160)
      .str();
}

absl::Status Parse(const std::string& bytes) {
  return GgufFile::Parse({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, "f")
      .status();
}

TEST(GgufMutatorTest, MakesManyKindsOfFiles) {
  ASSERT_TRUE(Parse(Good()).ok()) << Parse(Good());
  std::set<std::string> reasons;
  int taken = 0;
  for (uint32_t seed = 0; seed < 2000; ++seed) {
    const std::string mutated = MutateGguf(Good(), seed, [](std::string& bytes) {
      if (!bytes.empty()) bytes[bytes.size() / 2] ^= 0x55;
    });
    const absl::Status status = Parse(mutated);
    if (status.ok()) {
      ++taken;
    } else {
      reasons.emplace(status.message());
    }
  }
  // Counted once, with room: 2000 blind flips of this file have some 40 reasons.
  EXPECT_GT(taken, 100);
  EXPECT_GT(reasons.size(), 200u);
}

TEST(GgufMutatorTest, LeavesWhatIsNoGgufToTheBlind) {
  const auto blind = [](std::string& bytes) { bytes = "changed " + bytes; };
  EXPECT_EQ(MutateGguf("not a file", 1, blind), "changed not a file");
  EXPECT_EQ(MutateGguf("", 1, blind), "changed ");
  for (size_t cut = 4; cut < Good().size(); ++cut) {  // wherever it ends
    MutateGguf(Good().substr(0, cut), 1, [](std::string&) {});
  }
}

}  // namespace
}  // namespace tern
