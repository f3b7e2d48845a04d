// SPDX-License-Identifier: MIT
// Ternary layouts against worked examples, made by the functions of the programs that write them,
// and back and forth.
#include "formats/ternary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "formats/f16.h"

namespace tern {
namespace {

using ::testing::HasSubstr;

std::vector<uint8_t> Bytes(const std::string& hex) {
  const std::string bytes = absl::HexStringToBytes(hex);
  return {bytes.begin(), bytes.end()};
}

// The generator of the examples: a linear congruence, the upper half modulo 3.
std::vector<int8_t> ExampleTrits(size_t count, uint32_t seed) {
  std::vector<int8_t> trits;
  for (size_t i = 0; i < count; ++i) {
    seed = (seed * 1103515245u + 12345u) & 0x7fffffff;
    trits.push_back(static_cast<int8_t>((seed >> 16) % 3) - 1);
  }
  return trits;
}

struct Unpacked {
  std::vector<int8_t> trits;
  std::vector<float> scales;
};

TensorView View(TensorType type, uint64_t cols, uint64_t rows, const std::vector<uint8_t>& bytes) {
  const uint64_t shape[] = {cols, rows};
  EXPECT_EQ(TensorBytes(type, shape).value(), bytes.size());
  return {{"t", type, {cols, rows}, bytes.size()}, bytes};
}

absl::StatusOr<Unpacked> Unpack(const TensorView& view,
                                I2SDialect dialect = I2SDialect::kCanonical) {
  const uint64_t cols = view.info.cols(), rows = view.info.rows();
  Unpacked out{std::vector<int8_t>(cols * rows),
               std::vector<float>(rows * (cols / ScaleCols(view.info.type, cols)))};
  const TernaryRows to = {out.trits.data(), out.scales.data()};
  const absl::Status status = view.info.type == TensorType::kI2S
                                  ? UnpackI2SDialect(dialect, view, 0, rows, to)
                                  : UnpackTernary(view, 0, rows, to);
  if (!status.ok()) return status;
  return out;
}

constexpr char kI2SBody[] = "a65022695894040428224682162585a02a01042195658514021a2a9852909586";
constexpr char kI2STail[] = "0000c03f00000000000000000000000000000000000000000000000000000000";

struct Example {
  TensorType type;
  size_t cols;
  uint32_t seed;
  float scale;
  std::string hex;
};

std::vector<Example> Examples() {
  return {
      {TensorType::kI2S, 128, 1, 1.5f, absl::StrCat(kI2SBody, kI2STail)},
      {TensorType::kTQ2_0, 256, 3, 0.75f,
       "8a244026486118888a910a59641865512246a0458698660a4064145948448210548685106890021a5aaa141aa65"
       "8"
       "45528910a041680269864858005829412651003a"},
      {TensorType::kTQ1_0, 256, 3, 0.75f,
       "ea3205db3d6c4542ec68e49d35438965bfcb1a76ce4bdfe60433269b3e21b40b995b5e0afe0c40d1effc5ff1aab"
       "6"
       "7a0ed10dc89b003a"},
      {TensorType::kIQ2BN, 64, 5, 0.75f, "0000403f6914a626929a628405644466464658a2"},
      {TensorType::kIQ1BN, 64, 5, 0.75f, "003af825532c7ed5a7b35cbf6e804e"},
  };
}

TEST(TernaryTest, UnpacksAndPacksTheWorkedExamples) {
  for (const Example& example : Examples()) {
    SCOPED_TRACE(TensorTypeName(example.type));
    const std::vector<uint8_t> bytes = Bytes(example.hex);
    const std::vector<int8_t> trits = ExampleTrits(example.cols, example.seed);
    const Unpacked unpacked = Unpack(View(example.type, example.cols, 1, bytes)).value();
    EXPECT_EQ(unpacked.trits, trits);
    EXPECT_EQ(unpacked.scales, std::vector<float>{example.scale});
    std::vector<uint8_t> packed(bytes.size(), 0xee);
    ASSERT_TRUE(
        PackTernary(example.type, 1, example.cols, trits.data(), &example.scale, packed).ok());
    EXPECT_EQ(packed, bytes);
  }
}

// The same weights in the layouts that other programs write under I2_S's number.
TEST(TernaryTest, ReadsTheDialectsOfI2S) {
  std::vector<uint8_t> arm = Bytes(
      absl::StrCat("8a44084a65962001080942a11529a1a86a01188591515150822a6a284a445512", kI2STail));
  EXPECT_EQ(Unpack(View(TensorType::kI2S, 128, 1, arm), I2SDialect::kArm64)->trits,
            ExampleTrits(128, 1));
  const std::vector<uint8_t> four_rows =
      Bytes(absl::StrCat("9145056866981219280451881514988026051009965a911a012429a645809995aa40a0944"
                         "6450a058aa52022659814"
                         "84aa160898589910402968a64a6a415225",
                         kI2STail));
  const std::vector<uint8_t> canonical =
      Bytes(absl::StrCat("a65022695894040428224682162585a02a01042195658514021a2a9852909586264444905"
                         "a912a95a2510482556090"
                         "106a5620a468a904882560966a66018655",
                         kI2STail));
  const auto want = Unpack(View(TensorType::kI2S, 64, 4, canonical)).value().trits;
  EXPECT_EQ(want, ExampleTrits(256, 1));
  EXPECT_EQ(Unpack(View(TensorType::kI2S, 64, 4, four_rows), I2SDialect::kFourRows)->trits, want);
}

// Q2_0 and its kind: f16 scale, then two bits a weight, the first in the low bits.
TEST(TernaryTest, ReadsGroupsWithTheScaleFirst) {
  for (const TensorType type : {TensorType::kQ2_0, TensorType::kPQ2_0}) {
    const size_t cols = ScaleCols(type, 1024);
    std::vector<uint8_t> bytes(2 + cols / 4, 0x55);  // zeros
    bytes[0] = 0x00;
    bytes[1] = 0x38;  // 0.5
    bytes[2] = 0b00'01'10'00;
    Unpacked unpacked = Unpack(View(type, cols, 1, bytes)).value();
    EXPECT_EQ(unpacked.scales, std::vector<float>{0.5f});
    EXPECT_THAT(std::vector<int8_t>(unpacked.trits.begin(), unpacked.trits.begin() + 5),
                ::testing::ElementsAre(-1, 1, 0, -1, 0));
    bytes[5] = 0xc0;
    const absl::Status status = Unpack(View(type, cols, 1, bytes)).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_THAT(status.message(), HasSubstr("a weight of +2, the tensor is not ternary"));
  }
}

// PTQ1_0: 16 bytes, then 8, then 2, position by position.
TEST(TernaryTest, ReadsPtq1Positions) {
  std::vector<int8_t> trits(128);
  trits[0] = 1;    // byte 0, first digit
  trits[17] = -1;  // byte 1, second digit
  trits[80] = 1;   // byte 16, first digit
  trits[121] = 1;  // byte 25, first digit
  const float scale = 2;
  std::vector<uint8_t> bytes(28);
  ASSERT_TRUE(PackTernary(TensorType::kPTQ1_0, 1, 128, trits.data(), &scale, bytes).ok());
  const auto digit = [&](size_t byte, int n) {
    return ((bytes[byte] * static_cast<int>(std::pow(3, n)) & 0xff) * 3) >> 8;
  };
  EXPECT_EQ(digit(0, 0), 2);
  EXPECT_EQ(digit(1, 1), 0);
  EXPECT_EQ(digit(1, 0), 1);
  EXPECT_EQ(digit(16, 0), 2);
  EXPECT_EQ(digit(25, 0), 2);
  EXPECT_EQ(F16ToFloat(static_cast<uint16_t>(bytes[26] | bytes[27] << 8)), 2);
  EXPECT_EQ(Unpack(View(TensorType::kPTQ1_0, 128, 1, bytes))->trits, trits);
}

class RoundTripTest : public ::testing::TestWithParam<TensorType> {};

TEST_P(RoundTripTest, KeepsTritsAndScales) {
  const TensorType type = GetParam();
  constexpr uint64_t kSeed = 158;
  std::mt19937_64 rng(kSeed);
  // I2_S may also have rows that end within a block.
  const uint64_t cols = type == TensorType::kI2S ? 320 : 768, rows = 14;
  const uint64_t groups = cols / ScaleCols(type, cols);
  std::vector<int8_t> trits(cols * rows);
  for (int8_t& trit : trits) trit = static_cast<int8_t>(rng() % 3) - 1;
  std::vector<float> scales(rows * groups, 0.25f);
  if (type != TensorType::kI2S) {
    for (float& scale : scales) scale = static_cast<float>(rng() % 1000) / 1024;
  }
  const uint64_t shape[] = {cols, rows};
  std::vector<uint8_t> bytes(TensorBytes(type, shape).value());
  ASSERT_TRUE(PackTernary(type, rows, cols, trits.data(), scales.data(), bytes).ok());
  const TensorView view = View(type, cols, rows, bytes);
  const Unpacked all = Unpack(view).value();
  EXPECT_EQ(all.trits, trits);
  EXPECT_EQ(all.scales, scales);
  for (uint64_t row = 0; row < rows; ++row) {  // any part alone
    std::vector<int8_t> one(cols);
    std::vector<float> scale(groups);
    ASSERT_TRUE(UnpackTernary(view, row, row + 1, {one.data(), scale.data()}).ok());
    EXPECT_TRUE(std::equal(one.begin(), one.end(), trits.begin() + static_cast<long>(row * cols)));
  }
}

// A scale that is no number is found whatever the type; so is code 3 where a type has codes.
TEST_P(RoundTripTest, RefusesWhatCannotBe) {
  const TensorType type = GetParam();
  const uint64_t cols = 256, rows = 1;
  const std::vector<int8_t> trits(cols, 0);
  const std::vector<float> scales(cols / ScaleCols(type, cols), NAN);
  const uint64_t shape[] = {cols, rows};
  std::vector<uint8_t> bytes(TensorBytes(type, shape).value());
  if (type != TensorType::kI2S) {  // NaN differs from itself
    ASSERT_TRUE(PackTernary(type, rows, cols, trits.data(), scales.data(), bytes).ok());
  } else {
    const std::vector<float> one(rows, NAN);
    ASSERT_TRUE(PackTernary(type, rows, cols, trits.data(), one.data(), bytes).ok());
  }
  const absl::Status status = Unpack(View(type, cols, rows, bytes)).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("found scale nan, want a finite number"));
}

INSTANTIATE_TEST_SUITE_P(All, RoundTripTest,
                         ::testing::Values(TensorType::kI2S, TensorType::kTQ1_0, TensorType::kTQ2_0,
                                           TensorType::kQ2_0, TensorType::kPQ2_0,
                                           TensorType::kPTQ1_0, TensorType::kIQ1BN,
                                           TensorType::kIQ2BN),
                         [](const auto& test) { return TensorTypeName(test.param); });

TEST(TernaryTest, FindsCode3InI2S) {
  std::vector<uint8_t> bytes = Bytes(absl::StrCat(kI2SBody, kI2STail));
  bytes[7] = 0xff;
  const absl::Status status = Unpack(View(TensorType::kI2S, 128, 1, bytes)).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("byte 7: found code 3"));
}

TEST(TernaryTest, I2SHasOneScale) {
  const std::vector<int8_t> trits(256, 1);
  const float scales[] = {1, 2};
  std::vector<uint8_t> bytes(96);
  EXPECT_TRUE(
      absl::IsInvalidArgument(PackTernary(TensorType::kI2S, 2, 128, trits.data(), scales, bytes)));
}

}  // namespace
}  // namespace tern
