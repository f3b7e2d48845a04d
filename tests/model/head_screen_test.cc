// SPDX-License-Identifier: MIT
#include "model/head_screen.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "kernels/screen.h"
#include "tests/model/head_rows.h"

namespace tern {
namespace {

int Code(const HeadScreen& screen, size_t row, size_t col) {
  const size_t group = row / kQ8R16Rows * kQ8R16Rows * screen.cols;
  const size_t tile = col / kQ8R16Cols * kQ8R16TileBytes;
  return screen.codes[group + tile + row % kQ8R16Rows * kQ8R16Cols + col % kQ8R16Cols] - kQ8R16Zero;
}

HeadScreen ScreenOf(const EmbeddingTable& head, const VectorOps& ops) {
  HeadScreen screen = MakeScreen(head.rows, head.cols);
  ScreenScratch scratch(head.cols);
  std::vector<float> weights(head.cols);
  for (size_t row = 0; row < head.rows; ++row) {
    LookUp(head, row, ops, {}, weights.data());
    ScreenRow(weights.data(), row, ops, scratch, screen);
  }
  return screen;
}

// The promise of head_screen.h, in double, for k near x and for k far from it.
TEST(HeadScreenTest, BoundsTheLogitsThatTheHeadComputes) {
  const VectorOps ops = ChooseKernels()->ops;
  std::mt19937 rng(1);
  for (const TensorType type : {TensorType::kF16, TensorType::kBF16, TensorType::kF32}) {
    for (const RowKind kind : kRowKinds) {
      const size_t cols = 4 * (1 + rng() % 200);
      const EmbeddingTable head = MakeHead(type, kind, 37, cols, rng);
      const HeadScreen screen = ScreenOf(head, ops);
      std::vector<float> scratch(cols);
      for (const double step : {0.001, 0.1, 2.0}) {
        const std::vector<float> x = MakeInput(InputKind::kGaussian, cols, rng);
        double norm = 0, rest_norm = 0;
        for (const float value : x) {
          norm += double{value} * value;
          rest_norm += std::pow(value - step * std::round(value / step), 2);
        }
        for (size_t row = 0; row < head.rows; ++row) {
          double product = 0;
          for (size_t c = 0; c < cols; ++c)
            product += Code(screen, row, c) * std::round(x[c] / step);
          const double logit = DotRow(head, row, x.data(), ops, scratch.data());
          const double bound = screen.errors[row] * std::sqrt(norm) +
                               screen.norms[row] * std::sqrt(rest_norm) + kAbsoluteError;
          EXPECT_LE(std::abs(logit - screen.scales[row] * step * product), bound * (1 + 1e-12))
              << "kind " << static_cast<int>(kind) << " row " << row << " step " << step;
        }
      }
    }
  }
}

// A bound that is true because it is endless would show nothing.
TEST(HeadScreenTest, TheErrorOfAGaussianRowIsThatOfItsCodes) {
  std::mt19937 rng(2);
  const VectorOps ops = ChooseKernels()->ops;
  const EmbeddingTable head = MakeHead(TensorType::kF16, RowKind::kGaussian, 20, 2560, rng);
  const HeadScreen screen = ScreenOf(head, ops);
  for (size_t row = 0; row < head.rows; ++row) {
    const double of_codes = screen.scales[row] * std::sqrt(2560.0 / 12);
    EXPECT_NEAR(screen.errors[row] / of_codes, 1, 0.05);
  }
}

TEST(HeadScreenTest, IsTheSameOnEveryInstructionSet) {
  std::mt19937 rng(3);
  const EmbeddingTable head = MakeHead(TensorType::kBF16, RowKind::kMixed, 50, 300, rng);
  const HeadScreen want = ScreenOf(head, ChooseKernels("portable")->ops);
  for (const VectorOps& ops : VectorOpsTable()) {
    if (!CpuSupports(ops.isa)) continue;
    const HeadScreen found = ScreenOf(head, ops);
    for (size_t row = 0; row < head.rows; ++row) {
      EXPECT_EQ(found.scales[row], want.scales[row]) << ops.name;
      EXPECT_EQ(found.errors[row], want.errors[row]) << ops.name;
      EXPECT_EQ(found.norms[row], want.norms[row]) << ops.name;
    }
    EXPECT_TRUE(std::equal(found.codes.begin(), found.codes.end(), want.codes.begin())) << ops.name;
  }
}

TEST(HeadScreenTest, OnlyDenseHeadsWithinTheKernelsLimits) {
  EXPECT_TRUE(CanScreen(TensorType::kF16, 5000, 2560));
  EXPECT_TRUE(CanScreen(TensorType::kQ8_0, 5000, 2560));
  EXPECT_FALSE(CanScreen(TensorType::kTQ2_0, 5000, 2560)) << "ternary: 2 bits as it is";
  EXPECT_FALSE(CanScreen(TensorType::kF16, 5000, 2562));
  EXPECT_FALSE(CanScreen(TensorType::kF16, 5000, kScreenMaxCols + 4));
}

}  // namespace
}  // namespace tern
