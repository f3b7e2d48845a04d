// SPDX-License-Identifier: MIT
#include "kernels/gemm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/kernels/ternary.h"
#include "tests/kernels/tested_kernels.h"

namespace tern {
namespace {

using ::testing::Each;
using ::testing::ElementsAreArray;

class GemmTest : public ::testing::TestWithParam<GemmKernel> {
 protected:
  void SetUp() override {
    if (!CpuSupports(GetParam().isa)) GTEST_SKIP() << "no " << IsaName(GetParam().isa);
  }
};

constexpr int32_t kUntouched = 12345;

// Runs the kernel on x, [tokens, w.cols], with gaps of 16 between the rows of sums, and compares
// each token with the plain sum, which gemv_test holds gemv to.
void CheckAgainstPlain(const GemmKernel& kernel, const TernaryMatrix& w,
                       const std::vector<int8_t>& x) {
  SCOPED_TRACE(::testing::Message() << w.rows << "x" << w.cols << " times " << x.size() / w.cols);
  const size_t tokens = x.size() / w.cols;
  const size_t padded_rows = RoundUp(w.rows, InfoOf(kernel.packing).tile_rows);
  const size_t stride = padded_rows + 16;
  const size_t x_stride = PaddedCols(kernel.packing, w.cols) + 8;
  const std::span<const int8_t> rows_of_x(x);
  std::vector<int32_t> x_sums;
  for (size_t t = 0; t < tokens; ++t)
    x_sums.push_back(SumOf(rows_of_x.subspan(t * w.cols, w.cols)));
  const std::vector<uint8_t> packed = Pack(w, kernel.packing);
  const std::vector<int8_t> padded = WithPadding(x, w.cols, x_stride);
  std::vector<int32_t> sums(tokens * stride, kUntouched);
  kernel.run({.weights = packed.data(),
              .x = padded.data(),
              .x_stride = x_stride,
              .x_sums = x_sums.data(),
              .sums = sums.data(),
              .sums_stride = stride,
              .rows = w.rows,
              .cols = w.cols,
              .tokens = tokens});
  for (size_t t = 0; t < tokens; ++t) {
    const std::span<const int32_t> of_token = std::span(sums).subspan(t * stride, stride);
    EXPECT_THAT(of_token.first(w.rows),
                ElementsAreArray(PlainGemv(w, rows_of_x.subspan(t * w.cols, w.cols))))
        << "token " << t;
    EXPECT_THAT(of_token.subspan(w.rows, padded_rows - w.rows), Each(0)) << "token " << t;
    EXPECT_THAT(of_token.subspan(padded_rows), Each(kUntouched)) << "token " << t;
  }
}

TEST_P(GemmTest, EqualsThePlainSumForEveryTokenCount) {
  std::mt19937 rng(20240228);
  std::vector<size_t> token_counts = {24, 25, 47, 64, 100};
  for (size_t tokens = 1; tokens <= 17; ++tokens) token_counts.push_back(tokens);
  for (size_t tokens : token_counts) {
    const TernaryMatrix w = RandomTernary(33, 16 * (1 + rng() % 40), rng);
    CheckAgainstPlain(GetParam(), w, RandomActivations(tokens * w.cols, rng));
  }
}

TEST_P(GemmTest, EqualsThePlainSumForEveryShape) {
  std::mt19937 rng(20240229);
  for (size_t rows : {1, 15, 16, 17, 32, 48, 49}) {
    for (size_t tiles : {1, 2, 7, 15, 16, 17, 33}) {
      const TernaryMatrix w = RandomTernary(rows, tiles * 16, rng);
      CheckAgainstPlain(GetParam(), w, RandomActivations(13 * w.cols, rng));
    }
  }
}

TEST_P(GemmTest, HoldsTheExtremes) {
  for (size_t cols : {256, 4096, 45568}) {
    for (int8_t trit : {-1, 1}) {
      for (int8_t value : {-127, 127}) {
        CheckAgainstPlain(GetParam(), ConstantTernary(17, cols, trit),
                          std::vector<int8_t>(9 * cols, value));
      }
    }
  }
}

TEST_P(GemmTest, DoesNothingWithoutTokens) {
  int32_t sum = kUntouched;
  const std::vector<uint8_t> packed = Pack(ConstantTernary(1, 16, 1), GetParam().packing);
  GetParam().run({.weights = packed.data(),
                  .x = nullptr,
                  .x_stride = 32,
                  .x_sums = nullptr,
                  .sums = &sum,
                  .sums_stride = 16,
                  .rows = 1,
                  .cols = 16,
                  .tokens = 0});
  EXPECT_EQ(sum, kUntouched);
}

INSTANTIATE_TEST_SUITE_P(All, GemmTest, ::testing::ValuesIn(TestedGemmKernels()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace tern
