// SPDX-License-Identifier: MIT
// Each row of the table against plain scalar code written from the comments of vector_ops.h, to the
// bit. The conversions to and from f16 have vector_f16_test.cc.
#include "kernels/vector_ops.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "kernels/registry.h"

namespace tern {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// 1..300 and around the block sizes of real models.
std::vector<size_t> Lengths() {
  std::vector<size_t> lengths(300);
  std::iota(lengths.begin(), lengths.end(), 1);
  for (size_t n : {511, 512, 513, 2560, 2561, 6912, 45568}) lengths.push_back(n);
  return lengths;
}

// Of very different magnitudes, so that another order of a sum gives other bits.
std::vector<float> RandomFloats(size_t n, std::mt19937& rng) {
  std::uniform_real_distribution<float> mantissa(-1.0f, 1.0f);
  std::vector<float> x(n);
  for (float& value : x) value = std::ldexp(mantissa(rng), static_cast<int>(rng() % 24) - 12);
  return x;
}

std::vector<uint32_t> Bits(const std::vector<float>& x) {
  std::vector<uint32_t> bits;
  for (float value : x) bits.push_back(std::bit_cast<uint32_t>(value));
  return bits;
}

// The documented order, word by word.
float ReferenceSum(std::vector<float> terms) {
  while (terms.size() % 128 != 0) terms.push_back(0.0f);
  float total = 0;
  for (size_t block = 0; block < terms.size(); block += 128) {
    std::vector<float> lanes(terms.begin() + block, terms.begin() + block + 16);
    for (size_t col = 16; col < 128; ++col) lanes[col % 16] += terms[block + col];
    for (size_t l = 0; l < 8; ++l) lanes[l] += lanes[l + 8];
    for (size_t l = 0; l < 4; ++l) lanes[l] += lanes[l + 4];
    for (size_t l = 0; l < 2; ++l) lanes[l] += lanes[l + 2];
    total += lanes[0] + lanes[1];
  }
  return total;
}

float ReferenceDot(const std::vector<float>& x, const std::vector<float>& y) {
  std::vector<float> terms;
  for (size_t i = 0; i < x.size(); ++i) terms.push_back(x[i] * y[i]);
  return ReferenceSum(terms);
}

class VectorOpsTest : public ::testing::TestWithParam<VectorOps> {
 protected:
  void SetUp() override {
    if (!CpuSupports(ops_.isa)) GTEST_SKIP() << "no " << IsaName(ops_.isa);
  }

  float Max(const std::vector<float>& x) const { return ops_.max(x.data(), x.size()); }

  // Values that f16 holds exactly, and their f16.
  std::vector<uint16_t> RoundToF16(std::vector<float>& x) const {
    std::vector<uint16_t> f16(x.size());
    ops_.to_f16(x.data(), f16.data(), x.size());
    ops_.from_f16(f16.data(), x.data(), x.size());
    return f16;
  }

  const VectorOps ops_ = GetParam();
  std::mt19937 rng_{20240301};
};

TEST_P(VectorOpsTest, SumsInTheDocumentedOrder) {
  for (size_t n : Lengths()) {
    const std::vector<float> x = RandomFloats(n, rng_);
    const std::vector<float> y = RandomFloats(n, rng_);
    EXPECT_EQ(ops_.sum(x.data(), n), ReferenceSum(x)) << n;
    EXPECT_EQ(ops_.dot(x.data(), y.data(), n), ReferenceDot(x, y)) << n;

    std::vector<float> rounded = x;
    const std::vector<uint16_t> f16 = RoundToF16(rounded);
    EXPECT_EQ(ops_.dot_f16(f16.data(), y.data(), n), ReferenceDot(rounded, y)) << n;
  }
}

// Four at a time, in pieces of whole blocks, with the vectors apart from each other.
TEST_P(VectorOpsTest, DotsInPiecesAreDots) {
  for (size_t n : Lengths()) {
    const size_t stride = n + rng_() % 20;
    const std::vector<float> x = RandomFloats(n, rng_), y = RandomFloats(kDots * stride, rng_);
    std::vector<float> totals(kDots, 0.0f);
    for (size_t begin = 0, size; begin < n; begin += size) {
      size = std::min(n - begin, kDotBlockCols * (1 + rng_() % 9));
      ops_.add_dots(x.data() + begin, y.data() + begin, stride, size, totals.data());
    }
    for (size_t i = 0; i < kDots; ++i) {
      const auto first = y.begin() + static_cast<ptrdiff_t>(i * stride);
      EXPECT_EQ(totals[i], ReferenceDot(x, {first, first + static_cast<ptrdiff_t>(n)})) << n;
    }
  }
}

// Lanes of -0 fold to -0, but the total starts from +0.
TEST_P(VectorOpsTest, SumsOfZerosArePositiveZero) {
  for (size_t n : {0, 1, 16, 17, 127, 128, 200, 256}) {
    const std::vector<float> x(n, -0.0f);
    const std::vector<float> ones(n, 1.0f);
    EXPECT_EQ(std::bit_cast<uint32_t>(ops_.sum(x.data(), n)), 0u) << n;
    EXPECT_EQ(std::bit_cast<uint32_t>(ops_.dot(x.data(), ones.data(), n)), 0u) << n;
  }
}

TEST_P(VectorOpsTest, SumsKeepNan) {
  for (size_t n : {1, 15, 16, 130, 144}) {
    std::vector<float> x(n, 1.0f);
    x[n - 1] = kNan;
    EXPECT_TRUE(std::isnan(ops_.sum(x.data(), n))) << n;
    EXPECT_TRUE(std::isnan(ops_.dot(x.data(), x.data(), n))) << n;
  }
}

TEST_P(VectorOpsTest, MaxIsTheLargestWhereverItStands) {
  for (size_t n = 1; n <= 70; ++n) {
    for (size_t place = 0; place < n; ++place) {
      std::vector<float> x(n, -5.0f);
      x[place] = -4.0f;
      EXPECT_EQ(Max(x), -4.0f) << place << " of " << n;
      if (n == 1) continue;
      x[(place + 1) % n] = kNan;
      EXPECT_EQ(Max(x), -4.0f) << place << " of " << n;
    }
  }
}

TEST_P(VectorOpsTest, MaxOfSpecialValues) {
  EXPECT_EQ(Max({-kInfinity, kNan}), -kInfinity);
  EXPECT_EQ(Max({kNan, kInfinity, 1}), kInfinity);
  EXPECT_EQ(Max({kNan, -kInfinity, -3}), -3.0f);
  for (size_t n : {1, 16, 40}) {
    const float none = Max(std::vector<float>(n, -kNan));
    EXPECT_EQ(std::bit_cast<uint32_t>(none), 0x7fc00000u) << n;
    EXPECT_EQ(Max(std::vector<float>(n, -kInfinity)), -kInfinity) << n;
    EXPECT_EQ(std::bit_cast<uint32_t>(Max(std::vector<float>(n, -0.0f))), 0u) << n;
  }
}

TEST_P(VectorOpsTest, AddScaledRoundsTheProductAndTheSum) {
  for (size_t n : Lengths()) {
    std::vector<float> x = RandomFloats(n, rng_);
    const std::vector<uint16_t> f16 = RoundToF16(x);
    const std::vector<float> y = RandomFloats(n, rng_);
    std::vector<float> expected(n);
    for (size_t i = 0; i < n; ++i) {
      const float product = 0.3f * x[i];
      expected[i] = y[i] + product;
    }
    std::vector<float> sum = y;
    ops_.add_scaled(0.3f, x.data(), sum.data(), n);
    EXPECT_EQ(sum, expected) << n;
    sum = y;
    ops_.add_scaled_f16(0.3f, f16.data(), sum.data(), n);
    EXPECT_EQ(sum, expected) << n;
  }
}

TEST_P(VectorOpsTest, ExpIsWithinItsError) {
  std::vector<float> t;
  for (int i = -87 * 4096; i <= 88 * 4096; ++i) t.push_back(static_cast<float>(i) / 4096);
  for (int i = 0; i < 200'000; ++i)
    t.push_back(std::ldexp(1.0f, -(i % 40)) * (rng_() % 2 ? 1 : -1));
  std::uniform_real_distribution<float> any(-87.0f, 88.0f);
  for (int i = 0; i < 200'000; ++i) t.push_back(any(rng_));
  std::vector<float> result = t;
  ops_.exp_shifted(result.data(), 0.0f, result.size());
  double worst = 0;
  for (size_t i = 0; i < t.size(); ++i) {
    const double exact = std::exp(static_cast<double>(t[i]));
    worst = std::max(worst, std::fabs(result[i] - exact) / exact);
  }
  EXPECT_LT(worst, 2e-7);
  RecordProperty("worst_relative_error", std::to_string(worst * 1e7) + "e-7");
}

TEST_P(VectorOpsTest, ExpOfSpecialValues) {
  std::vector<float> x = {1, 1 + 88.5f, 1 - 87.5f, kInfinity, -kInfinity, kNan, 1e30f, -1e30f};
  ops_.exp_shifted(x.data(), 1.0f, x.size());
  EXPECT_TRUE(std::isnan(x[5]));
  x[5] = 5;
  EXPECT_THAT(x, ElementsAre(1, kInfinity, 0, kInfinity, 0, 5, kInfinity, 0));
}

// The polynomial is the library's own affair; that all rows share it is not.
TEST_P(VectorOpsTest, ExpHasTheBitsOfThePortableRow) {
  for (size_t n : Lengths()) {
    std::vector<float> x = RandomFloats(n, rng_);
    for (float& value : x) value *= static_cast<float>(rng_() % 8);
    std::vector<float> expected = x;
    VectorOpsTable().back().exp_shifted(expected.data(), 0.7f, n);
    ops_.exp_shifted(x.data(), 0.7f, n);
    EXPECT_EQ(Bits(x), Bits(expected)) << n;
  }
}

TEST_P(VectorOpsTest, RmsNormEqualsItsFormula) {
  for (size_t n : Lengths()) {
    const std::vector<float> x = RandomFloats(n, rng_);
    const std::vector<float> weight = RandomFloats(n, rng_);
    const float scale = 1.0f / std::sqrt(ReferenceDot(x, x) / static_cast<float>(n) + 1e-5f);
    std::vector<float> expected(n);
    for (size_t i = 0; i < n; ++i) expected[i] = (x[i] * scale) * weight[i];
    std::vector<float> y(n, 99.0f);
    ops_.rms_norm(x.data(), weight.data(), 1e-5f, y.data(), n);
    EXPECT_EQ(Bits(y), Bits(expected)) << n;
    std::vector<float> in_place = x;
    ops_.rms_norm(in_place.data(), weight.data(), 1e-5f, in_place.data(), n);
    EXPECT_EQ(Bits(in_place), Bits(expected)) << n;
  }
}

struct Quantized {
  float scale;
  std::vector<int8_t> q;
  int32_t sum;
};

Quantized Quantize(const VectorOps& ops, const std::vector<float>& x) {
  Quantized result = {0, std::vector<int8_t>(x.size(), 99), 99};
  result.scale = ops.quantize_row(x.data(), result.q.data(), &result.sum, x.size());
  return result;
}

TEST_P(VectorOpsTest, QuantizesEqualToTheFormula) {
  for (size_t n : Lengths()) {
    std::vector<float> x = RandomFloats(n, rng_);
    if (n % 3 == 0) x[rng_() % n] = kNan;
    float absmax = 1e-5f;
    for (float value : x) absmax = std::fabs(value) > absmax ? std::fabs(value) : absmax;
    const float scale = 127.0f / absmax;
    std::vector<int8_t> q;
    for (float value : x) {
      const float rounded = std::isnan(value) ? 0.0f : std::nearbyint(value * scale);
      q.push_back(static_cast<int8_t>(std::min(std::max(rounded, -128.0f), 127.0f)));
    }
    const Quantized result = Quantize(ops_, x);
    EXPECT_EQ(result.scale, scale) << n;
    EXPECT_EQ(result.q, q) << n;
    EXPECT_EQ(result.sum, std::accumulate(q.begin(), q.end(), 0)) << n;
  }
}

TEST_P(VectorOpsTest, QuantizesTheWorkedExample) {
  const Quantized result =
      Quantize(ops_, {0.1, -0.2, 0.3, -0.4, 0.5, -0.6, 0.7, -1.27, 0.005, 0.015, 0.025, -0.005});
  EXPECT_EQ(result.scale, 100.0f);
  EXPECT_THAT(result.q, ElementsAre(10, -20, 30, -40, 50, -60, 70, -127, 0, 2, 2, 0));
  EXPECT_EQ(result.sum, -83);
}

TEST_P(VectorOpsTest, QuantizesHalvesToEven) {
  const Quantized result = Quantize(ops_, {0.5, 1.5, 2.5, -0.5, -1.5, 127});
  EXPECT_EQ(result.scale, 1.0f);
  EXPECT_THAT(result.q, ElementsAre(0, 2, 2, 0, -2, 127));
}

TEST_P(VectorOpsTest, QuantizesRowsWithoutASize) {
  const Quantized zeros = Quantize(ops_, std::vector<float>(33, 0.0f));
  EXPECT_EQ(zeros.scale, 127.0f / 1e-5f);
  EXPECT_THAT(zeros.q, Each(0));
  EXPECT_EQ(zeros.sum, 0);
  const Quantized nans = Quantize(ops_, {kNan, -kNan, 1.0f});
  EXPECT_THAT(nans.q, ElementsAre(0, 0, 127));
  const Quantized infinite = Quantize(ops_, {kInfinity, 1.0f, -kInfinity});
  EXPECT_EQ(infinite.scale, 0.0f);
  EXPECT_THAT(infinite.q, ElementsAre(0, 0, 0));
}

// |q| <= 127 for whatever the largest value is: kernels count on it.
TEST_P(VectorOpsTest, QuantizesTheLargestValueTo127) {
  for (int i = 0; i < 100'000; ++i) {
    const float largest = std::ldexp(1.0f + static_cast<float>(rng_() % (1 << 23)) * 0x1p-23f,
                                     static_cast<int>(rng_() % 140) - 12);
    const Quantized result = Quantize(ops_, {largest, -largest});
    ASSERT_THAT(result.q, ElementsAre(127, -127)) << largest;
  }
}

INSTANTIATE_TEST_SUITE_P(All, VectorOpsTest,
                         ::testing::ValuesIn(VectorOpsTable().begin(), VectorOpsTable().end()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace tern
