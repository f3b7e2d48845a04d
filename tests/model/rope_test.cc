// SPDX-License-Identifier: MIT
#include "model/rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <vector>

namespace tern {
namespace {

ModelConfig Config() {
  ModelConfig config;
  config.head_dim = 8;
  config.context = 100;
  config.rope_theta = 10000;
  return config;
}

// Columns j and j + 4 of a head are a complex number, turned by position * theta^(-j/4).
TEST(RopeTest, TurnsPairsOfTheTwoHalves) {
  const RopeTables tables(Config(), RopeKind::kGlobal);
  for (const uint32_t position : {0u, 1u, 17u, 99u}) {
    std::vector<float> x(24);
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i) / 7 - 1;
    const std::vector<float> before = x;
    tables.Rotate(position, 3, x.data());
    for (size_t head = 0; head < 3; ++head) {
      for (size_t j = 0; j < 4; ++j) {
        const std::complex<double> point(before[head * 8 + j], before[head * 8 + j + 4]);
        const double angle = position * std::pow(10000.0, -static_cast<double>(j) / 4);
        const std::complex<double> turned = point * std::polar(1.0, angle);
        EXPECT_NEAR(x[head * 8 + j], turned.real(), 1e-6) << position;
        EXPECT_NEAR(x[head * 8 + j + 4], turned.imag(), 1e-6) << position;
      }
    }
  }
}

TEST(RopeTest, PositionZeroChangesNothing) {
  const RopeTables tables(Config(), RopeKind::kGlobal);
  std::vector<float> x = {1, -2, 3, -4, 5, -6, 7, -8};
  const std::vector<float> before = x;
  tables.Rotate(0, 1, x.data());
  EXPECT_EQ(x, before);
}

// A score depends on the distance of two positions only.
TEST(RopeTest, ScoresDependOnTheDistance) {
  const RopeTables tables(Config(), RopeKind::kGlobal);
  const auto score = [&](uint32_t query_position, uint32_t key_position) {
    std::vector<float> query = {1, 2, 3, 4, 5, 6, 7, 8}, key = {3, 1, 4, 1, 5, 9, 2, 6};
    tables.Rotate(query_position, 1, query.data());
    tables.Rotate(key_position, 1, key.data());
    float sum = 0;
    for (size_t i = 0; i < 8; ++i) sum += query[i] * key[i];
    return sum;
  };
  EXPECT_NEAR(score(50, 40), score(10, 0), 1e-3);
  EXPECT_NEAR(score(99, 98), score(1, 0), 1e-3);
}

}  // namespace
}  // namespace tern
