// SPDX-License-Identifier: MIT
#include "model/rotation.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>

namespace tern {
namespace {

std::vector<float> Random(size_t count, std::mt19937_64& rng) {
  std::vector<float> x(count);
  for (float& value : x) value = static_cast<float>(rng() % 2001) / 1000 - 1;
  return x;
}

// Against Sylvester's matrix itself: the sign of entry (i, j) is the parity of i & j.
TEST(RotationTest, IsTheMatrix) {
  std::mt19937_64 rng(1);
  constexpr size_t kBlock = 32, kWidth = 96;
  std::vector<int8_t> signs(kWidth);
  for (int8_t& sign : signs) sign = rng() % 2 == 0 ? 1 : -1;
  const std::vector<float> x = Random(kWidth, rng);
  std::vector<float> rotated = x;
  Rotate(kBlock, signs, rotated.data(), kWidth);
  for (size_t i = 0; i < kWidth; ++i) {
    double want = 0;
    for (size_t j = 0; j < kBlock; ++j) {
      const size_t col = i / kBlock * kBlock + j;
      const double entry = std::popcount((i % kBlock) & j) % 2 == 0 ? 1 : -1;
      want += entry * signs[col] * x[col] / std::sqrt(double{kBlock});
    }
    EXPECT_NEAR(rotated[i], want, 1e-5);
  }
}

TEST(RotationTest, GoesBack) {
  std::mt19937_64 rng(2);
  std::vector<int8_t> signs(1024);
  for (int8_t& sign : signs) sign = rng() % 2 == 0 ? 1 : -1;
  for (const std::vector<int8_t>& s : {signs, std::vector<int8_t>()}) {
    const std::vector<float> x = Random(1024, rng);
    std::vector<float> y = x;
    Rotate(1024, s, y.data(), y.size());
    RotateBack(1024, s, y.data(), y.size());
    for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(y[i], x[i], 1e-5);
  }
}

}  // namespace
}  // namespace tern
