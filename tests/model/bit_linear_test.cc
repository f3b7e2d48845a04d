// SPDX-License-Identifier: MIT
#include "model/bit_linear.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "tests/support/kernel_names.h"

namespace tern {
namespace {

struct Problem {
  size_t rows, cols, tokens;
  std::vector<int8_t> trits;  // [rows, cols]
  std::vector<int8_t> codes;  // [tokens, CodesStride]
  std::vector<int32_t> sums;
  std::vector<float> factors;
  BitLinear matrix;

  QuantizedRows x() {
    return {{codes.data(), nullptr, nullptr}, CodesStride(cols), sums.data(), factors.data()};
  }

  float Want(size_t token, size_t row) const {
    const int8_t* weights = trits.data() + row * cols;
    const int8_t* x = codes.data() + token * CodesStride(cols);
    int32_t sum = 0;
    for (size_t c = 0; c < cols; ++c) sum += weights[c] * x[c];
    return static_cast<float>(sum) * (matrix.scale / factors[token]);
  }
};

Problem RandomProblem(const MatrixKernels& kernels, size_t rows, size_t cols, size_t tokens,
                      uint64_t seed) {
  std::mt19937_64 rng(seed);
  Problem p{rows, cols, tokens, {}, {}, {}, {}, {}};
  for (size_t i = 0; i < rows * cols; ++i) p.trits.push_back(static_cast<int8_t>(rng() % 3) - 1);
  for (size_t t = 0; t < tokens; ++t) {
    p.sums.push_back(0);
    p.factors.push_back(1 + static_cast<float>(rng() % 1000) / 7);
    p.codes.resize((t + 1) * CodesStride(cols), 99);
    for (size_t c = 0; c < cols; ++c) {
      const auto code = static_cast<int8_t>(static_cast<int>(rng() % 255) - 127);
      p.codes[t * CodesStride(cols) + c] = code;
      p.sums.back() += code;
    }
  }
  p.matrix.rows = rows;
  p.matrix.cols = cols;
  p.matrix.scale = 0.37f;
  p.matrix.kernels = kernels;
  p.matrix.packed = AlignedBuffer<uint8_t>(PackedBytes(kernels.packing(), rows, cols));
  PackRows(kernels.packing(), p.trits.data(), cols, 0, rows, p.matrix.packed.data());
  return p;
}

// Shapes on both sides of the tiles. Equal, not near: the integer sum is exact and the scaling is
// one fixed expression.
TEST(BitLinearTest, IsTheScaledIntegerSum) {
  std::vector<int32_t> sums(kSumsTile);
  const MultiplyScratch scratch = {.sums = sums.data()};
  for (const std::string& name : KernelNames()) {
    const Kernels kernels = ChooseKernels(name).value();
    for (const size_t rows : {16, 48, 256, 272, 528}) {
      for (const size_t tokens : {1, 2, 63, 64, 65, 130}) {
        SCOPED_TRACE(::testing::Message() << name << ", " << rows << " rows, " << tokens);
        Problem p = RandomProblem(kernels.matrix, rows, 256, tokens, rows + tokens);
        std::vector<float> out(tokens * rows, -1), added(tokens * rows, 0.25f);
        for (size_t part = 0; part < 3; ++part) {
          const IndexRange range = SplitRange(rows, kRowSplit, part, 3);
          Multiply(p.matrix, range, p.x(), tokens, kernels, Output::kStore, scratch, out.data());
          Multiply(p.matrix, range, p.x(), tokens, kernels, Output::kAdd, scratch, added.data());
        }
        for (size_t t = 0; t < tokens; ++t) {
          for (size_t r = 0; r < rows; ++r) {
            const float want = p.Want(t, r);
            ASSERT_EQ(out[t * rows + r], want);
            ASSERT_EQ(added[t * rows + r], 0.25f + want);
          }
        }
      }
    }
  }
}

TEST(BitLinearTest, TakesAsManyTokensAsTheCacheHolds) {
  EXPECT_EQ(TokensAtOnce(0, 2624), kTokenTile);
  EXPECT_EQ(TokensAtOnce(1 << 20, 2624), kTokenTile);
  EXPECT_EQ(TokensAtOnce(1 << 20, 14400), 32u);
  EXPECT_EQ(TokensAtOnce(1 << 18, 6976), 16u);
  EXPECT_EQ(TokensAtOnce(1, 6976), 16u);
}

TEST(BitLinearTest, AnyTileGivesTheSameBits) {
  std::vector<int32_t> sums(kSumsTile);
  const MultiplyScratch scratch = {.sums = sums.data()};
  const size_t rows = 272, tokens = 130;
  for (const std::string& name : KernelNames()) {
    Kernels kernels = ChooseKernels(name).value();
    Problem p = RandomProblem(kernels.matrix, rows, 256, tokens, 1);
    for (const size_t tile : {16, 24, 40, 56}) {
      kernels.l2_bytes = 2 * tile * CodesStride(p.cols);
      ASSERT_EQ(TokensAtOnce(kernels.l2_bytes, CodesStride(p.cols)), tile);
      std::vector<float> out(tokens * rows, -1);
      Multiply(p.matrix, {0, rows}, p.x(), tokens, kernels, Output::kStore, scratch, out.data());
      for (size_t t = 0; t < tokens; ++t) {
        for (size_t r = 0; r < rows; ++r) {
          ASSERT_EQ(out[t * rows + r], p.Want(t, r)) << name << ", tiles of " << tile;
        }
      }
    }
  }
}

// As two products and then the activation.
TEST(BitLinearTest, GatedIsTheActivationOfTwoProducts) {
  std::vector<int32_t> sums(kSumsTile);
  std::vector<float> factors(kSumsTile);
  const MultiplyScratch scratch = {.sums = sums.data(), .factors = factors.data()};
  const Kernels kernels = ChooseKernels().value();
  const size_t rows = 528;
  for (const size_t tokens : {1, 2, 65}) {
    Problem gate = RandomProblem(kernels.matrix, rows, 256, tokens, tokens);
    Problem up = RandomProblem(kernels.matrix, rows, 256, tokens, tokens + 1);
    std::vector<float> out(tokens * rows, -1);
    for (size_t part = 0; part < 3; ++part) {
      MultiplyGated(gate.matrix, gate.x(), up.matrix, up.x(), SplitRange(rows, kRowSplit, part, 3),
                    tokens, kernels, kernels.ops.silu_times, scratch, out.data());
    }
    for (size_t t = 0; t < tokens; ++t) {
      for (size_t r = 0; r < rows; ++r) {
        float want = gate.Want(t, r);
        const float factor = up.Want(t, r);
        kernels.ops.silu_times(&want, &factor, 1);
        ASSERT_EQ(out[t * rows + r], want) << tokens << " tokens";
      }
    }
  }
}

}  // namespace
}  // namespace tern
