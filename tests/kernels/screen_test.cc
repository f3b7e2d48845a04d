// SPDX-License-Identifier: MIT
#include "kernels/screen.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "tests/kernels/tested_kernels.h"

namespace tern {
namespace {

using ::testing::ElementsAreArray;

constexpr int32_t kUntouchedSum = 12345;

struct Int8Matrix {
  size_t rows;
  size_t cols;
  std::vector<int8_t> values;  // [rows, cols]
};

// Values in [-largest, largest], a quarter of them at the ends.
std::vector<int8_t> RandomInt8(size_t count, int largest, std::mt19937& rng) {
  std::vector<int8_t> values(count);
  for (int8_t& value : values) {
    const int random =
        static_cast<int>(rng() % (2u * static_cast<unsigned>(largest) + 1)) - largest;
    value = static_cast<int8_t>(rng() % 4 != 0 ? random : random < 0 ? -largest : largest);
  }
  return values;
}

std::vector<uint8_t> PackMatrix(const Int8Matrix& q) {
  const size_t groups = (q.rows + kQ8R16Rows - 1) / kQ8R16Rows;
  std::vector<uint8_t> packed(groups * kQ8R16Rows * q.cols, kQ8R16Zero);
  for (size_t row = 0; row < q.rows; ++row) {
    uint8_t* group = packed.data() + row / kQ8R16Rows * kQ8R16Rows * q.cols;
    PackQ8R16Row(q.values.data() + row * q.cols, q.cols, group + row % kQ8R16Rows * kQ8R16Cols);
  }
  return packed;
}

// Of every row; 64-bit, so that an overflow would show. Rows that pad the last group give 0.
std::vector<int32_t> PlainSums(const Int8Matrix& q, const int8_t* x, size_t padded_rows) {
  std::vector<int32_t> sums(padded_rows, 0);
  for (size_t row = 0; row < q.rows; ++row) {
    int64_t sum = 0;
    for (size_t col = 0; col < q.cols; ++col) sum += q.values[row * q.cols + col] * x[col];
    sums[row] = static_cast<int32_t>(sum);
  }
  return sums;
}

class ScreenTest : public ::testing::TestWithParam<ScreenKernel> {
 protected:
  void SetUp() override {
    if (!CpuSupports(GetParam().isa)) GTEST_SKIP() << "no " << IsaName(GetParam().isa);
  }

  // x: [vectors, q.cols].
  void Check(const Int8Matrix& q, const std::vector<int8_t>& x) {
    const size_t vectors = x.size() / q.cols;
    SCOPED_TRACE(::testing::Message() << q.rows << "x" << q.cols << " times " << vectors);
    const size_t padded_rows = (q.rows + kQ8R16Rows - 1) / kQ8R16Rows * kQ8R16Rows;
    const size_t stride = padded_rows + 16;
    std::vector<int32_t> x_sums(vectors, 0);
    for (size_t i = 0; i < x.size(); ++i) x_sums[i / q.cols] += kQ8R16Zero * x[i];
    const std::vector<uint8_t> packed = PackMatrix(q);
    std::vector<int32_t> sums(vectors * stride, kUntouchedSum);
    GetParam().run({.weights = packed.data(),
                    .x = x.data(),
                    .x_stride = q.cols,
                    .x_sums = x_sums.data(),
                    .sums = sums.data(),
                    .sums_stride = stride,
                    .rows = q.rows,
                    .cols = q.cols,
                    .tokens = vectors});
    for (size_t v = 0; v < vectors; ++v) {
      std::vector<int32_t> want = PlainSums(q, x.data() + v * q.cols, padded_rows);
      want.resize(stride, kUntouchedSum);
      EXPECT_THAT(std::vector<int32_t>(sums.begin() + static_cast<ptrdiff_t>(v * stride),
                                       sums.begin() + static_cast<ptrdiff_t>((v + 1) * stride)),
                  ElementsAreArray(want))
          << "vector " << v;
    }
  }
};

TEST_P(ScreenTest, EqualsThePlainSumForEveryShape) {
  std::mt19937 rng(20250301);
  for (const size_t rows : {1, 15, 16, 17, 32, 33, 50}) {
    for (size_t vectors = 1; vectors <= 19; ++vectors) {
      const size_t cols = 4 * (1 + rng() % 60);
      const Int8Matrix q = {rows, cols, RandomInt8(rows * cols, 127, rng)};
      Check(q, RandomInt8(vectors * cols, kScreenMax, rng));
    }
  }
}

// Among them codes 0 (-128) and 255 times the largest x, where 16 bits are nearest to too few.
TEST_P(ScreenTest, HoldsTheExtremes) {
  for (const size_t cols : {size_t{4}, size_t{2560}, kScreenMaxCols}) {
    for (const int8_t weight : {-128, -127, 127}) {
      for (const int x : {-kScreenMax, kScreenMax}) {
        Check({17, cols, std::vector<int8_t>(17 * cols, weight)},
              std::vector<int8_t>(5 * cols, static_cast<int8_t>(x)));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, ScreenTest, ::testing::ValuesIn(TestedScreenKernels()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace tern
