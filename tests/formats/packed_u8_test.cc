// SPDX-License-Identifier: MIT
// Hugging Face's packed matrices against examples of the function that packs them.
#include "formats/packed_u8.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/escaping.h"

namespace tern {
namespace {

// Rows of `-0+` after each other.
std::string Unpack(const std::string& hex, uint64_t rows, uint64_t cols) {
  const std::string raw = absl::HexStringToBytes(hex);
  const std::vector<uint8_t> packed(raw.begin(), raw.end());
  std::vector<int8_t> trits(rows * cols);
  EXPECT_EQ(packed.size(), rows / 4 * cols);
  EXPECT_TRUE(UnpackU8(packed, rows, cols, trits.data()));
  std::string text;
  for (const int8_t trit : trits) text += "-0+"[trit + 1];
  return text;
}

TEST(PackedU8Test, UnpacksTheWorkedExamples) {
  EXPECT_EQ(Unpack("a118900a", 8, 2), "0--+-+-++00-+-+-");
  EXPECT_EQ(Unpack("0024052a96a61988", 4, 8), "--0+++0--00+00++-+-+0+0-----++-+");
  EXPECT_EQ(Unpack("054281168155a12485296128", 12, 4),
            "0+0+000-000-0--0-0-00+-+---0-0++-+++-0+-+0+-+-0-");
}

// Of a byte's four codes, a 3 in any place is found.
TEST(PackedU8Test, Finds3) {
  int8_t trits[4];
  for (int byte = 0; byte < 256; ++byte) {
    const uint8_t packed = static_cast<uint8_t>(byte);
    bool good = true;
    for (int place = 0; place < 4; ++place) good = good && (byte >> (2 * place) & 3) != 3;
    EXPECT_EQ(UnpackU8({&packed, 1}, 4, 1, trits), good) << byte;
  }
}

}  // namespace
}  // namespace tern
