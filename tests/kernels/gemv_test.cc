// SPDX-License-Identifier: MIT
#include "kernels/gemv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/kernels/ternary.h"
#include "tests/kernels/tested_kernels.h"

namespace tern {
namespace {

class GemvTest : public ::testing::TestWithParam<GemvKernel> {
 protected:
  void SetUp() override {
    if (!CpuSupports(GetParam().isa)) GTEST_SKIP() << "no " << IsaName(GetParam().isa);
  }

  static std::vector<int32_t> Run(const TernaryMatrix& w, const std::vector<int8_t>& x) {
    const GemvKernel& kernel = GetParam();
    const std::vector<uint8_t> packed = Pack(w, kernel.packing);
    const std::vector<int8_t> padded = WithPadding(x, w.cols, PaddedCols(kernel.packing, w.cols));
    std::vector<int32_t> sums(RoundUp(w.rows, InfoOf(kernel.packing).tile_rows), 12345);
    kernel.run({packed.data(), padded.data(), SumOf(x), sums.data(), w.rows, w.cols});
    EXPECT_THAT(std::span(sums).subspan(w.rows), ::testing::Each(0)) << "padding rows";
    sums.resize(w.rows);
    return sums;
  }
};

// Sums are exact, so there is no tolerance: any difference is a bug.
TEST_P(GemvTest, EqualsThePlainSumForEveryShape) {
  std::mt19937 rng(20240227);
  for (size_t rows : {1, 2, 15, 16, 17, 33, 64}) {
    for (size_t tiles : {1, 2, 7, 8, 15, 16, 17, 32, 33, 160}) {
      const TernaryMatrix w = RandomTernary(rows, tiles * 16, rng);
      const std::vector<int8_t> x = RandomActivations(w.cols, rng);
      EXPECT_EQ(Run(w, x), PlainGemv(w, x)) << rows << "x" << w.cols;
    }
  }
}

// The largest sums there are. At 4096 columns a kernel that keeps 128 pair sums in 16 bits wraps
// to -512 a lane; 45568 is the widest layer of a published shape (100B).
TEST_P(GemvTest, HoldsTheExtremes) {
  for (size_t cols : {16, 256, 272, 4096, 45568}) {
    for (int8_t trit : {-1, 0, 1}) {
      for (int8_t value : {-127, 127}) {
        const TernaryMatrix w = ConstantTernary(18, cols, trit);
        const std::vector<int8_t> x(cols, value);
        EXPECT_EQ(Run(w, x), PlainGemv(w, x)) << cols << " of " << int{trit} << " * " << int{value};
      }
    }
  }
  EXPECT_EQ(Run(ConstantTernary(1, 4096, 1), std::vector<int8_t>(4096, 127))[0], 520192);
}

// The bound that gemv.h gives for cols.
TEST_P(GemvTest, HoldsTheWidestRow) {
  constexpr size_t kCols = 500'000;
  for (int8_t value : {-127, 127}) {
    const std::vector<int8_t> x(kCols, value);
    const int32_t sum = value * static_cast<int32_t>(kCols);
    EXPECT_EQ(Run(ConstantTernary(1, kCols, 1), x)[0], sum);
    EXPECT_EQ(Run(ConstantTernary(1, kCols, -1), x)[0], -sum);
  }
}

TEST_P(GemvTest, EqualsTheWorkedExample) {
  const TernaryMatrix w = {1, 128, ExampleTrits(128, 1)};
  ExampleGenerator generator(2);
  std::vector<int8_t> x(128);
  for (int8_t& value : x) value = generator.Int8();
  ASSERT_EQ(SumOf(x), -166);
  EXPECT_EQ(Run(w, x)[0], 724);
}

INSTANTIATE_TEST_SUITE_P(All, GemvTest, ::testing::ValuesIn(TestedGemvKernels()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace tern
