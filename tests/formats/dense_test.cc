// SPDX-License-Identifier: MIT
// Layouts of arbitrary numbers: against ggml's own Python package, and back and forth.
#include "formats/dense.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <random>
#include <vector>

#include "formats/f16.h"

namespace tern {
namespace {

// testdata/dense.bin, made by testdata/make_dense.py: 512 floats, then for each type its bytes and
// the 512 floats that they stand for.
class DenseGoldenTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::ifstream in(TERN_TESTDATA "/dense.bin", std::ios::binary);
    ASSERT_TRUE(in);
    const auto floats = [&](std::vector<float>& to) {
      to.resize(kCols);
      in.read(reinterpret_cast<char*>(to.data()), kCols * sizeof(float));
    };
    floats(x_);
    for (const TensorType type : {TensorType::kF16, TensorType::kBF16, TensorType::kQ8_0,
                                  TensorType::kQ4_0, TensorType::kQ6K}) {
      Golden golden{type, std::vector<uint8_t>(DenseRowBytes(type, kCols)), {}};
      in.read(reinterpret_cast<char*>(golden.bytes.data()),
              static_cast<std::streamsize>(golden.bytes.size()));
      floats(golden.decoded);
      golden_.push_back(std::move(golden));
    }
    ASSERT_TRUE(in);
  }

  static constexpr size_t kCols = 512;
  struct Golden {
    TensorType type;
    std::vector<uint8_t> bytes;
    std::vector<float> decoded;
  };
  std::vector<float> x_;
  std::vector<Golden> golden_;
};

TEST_F(DenseGoldenTest, DecodesAsGgmlDoes) {
  for (const Golden& golden : golden_) {
    std::vector<float> decoded(kCols);
    DecodeDense(golden.type, golden.bytes.data(), kCols, decoded.data());
    EXPECT_EQ(decoded, golden.decoded) << TensorTypeName(golden.type);
  }
}

TEST_F(DenseGoldenTest, EncodesAsGgmlDoes) {
  for (const Golden& golden : golden_) {
    if (golden.type == TensorType::kQ6K) continue;  // a search of our own
    std::vector<uint8_t> bytes(golden.bytes.size());
    EncodeDense(golden.type, x_.data(), kCols, bytes.data());
    EXPECT_EQ(bytes, golden.bytes) << TensorTypeName(golden.type);
  }
}

double RootMeanSquareError(TensorType type, const std::vector<float>& x) {
  std::vector<uint8_t> bytes(DenseRowBytes(type, x.size()));
  std::vector<float> decoded(x.size());
  EncodeDense(type, x.data(), x.size(), bytes.data());
  DecodeDense(type, bytes.data(), x.size(), decoded.data());
  double error = 0, power = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    error += std::pow(static_cast<double>(x[i]) - decoded[i], 2);
    power += std::pow(static_cast<double>(x[i]), 2);
  }
  return std::sqrt(error / power);
}

// Relative to the numbers' root mean square, with a little room above what was measured.
TEST(DenseTest, ErrorsAreThoseOfTheType) {
  std::mt19937_64 rng(6);
  std::normal_distribution<float> normal;
  std::vector<float> x(256 * 64);
  for (float& value : x) value = normal(rng);
  EXPECT_LT(RootMeanSquareError(TensorType::kF16, x), 3e-4);
  EXPECT_LT(RootMeanSquareError(TensorType::kBF16, x), 2.5e-3);
  EXPECT_LT(RootMeanSquareError(TensorType::kQ8_0, x), 6e-3);
  EXPECT_LT(RootMeanSquareError(TensorType::kQ6K, x), 0.0185);
  EXPECT_LT(RootMeanSquareError(TensorType::kQ4_0, x), 0.1);
}

TEST(DenseTest, ZerosStayZeros) {
  const std::vector<float> zeros(256, 0.0f);
  for (const TensorType type : {TensorType::kF32, TensorType::kF16, TensorType::kBF16,
                                TensorType::kQ8_0, TensorType::kQ4_0, TensorType::kQ6K}) {
    std::vector<uint8_t> bytes(DenseRowBytes(type, 256), 0xee);
    std::vector<float> decoded(256, 1);
    EncodeDense(type, zeros.data(), 256, bytes.data());
    DecodeDense(type, bytes.data(), 256, decoded.data());
    for (const float value : decoded) EXPECT_EQ(value, 0.0f) << TensorTypeName(type);
  }
}

TEST(F16Test, EveryHalfComesBack) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    if (!std::isnan(F16ToFloat(half))) {
      EXPECT_EQ(FloatToF16(F16ToFloat(half)), half);
    }
    if (!std::isnan(Bf16ToFloat(half))) {
      EXPECT_EQ(FloatToBf16(Bf16ToFloat(half)), half);
    }
  }
  EXPECT_EQ(FloatToF16(65519.0f), 0x7bff);
  EXPECT_EQ(FloatToF16(65520.0f), 0x7c00);
  EXPECT_EQ(FloatToBf16(1.00390625f), 0x3f80);  // half way: to even
}

}  // namespace
}  // namespace tern
