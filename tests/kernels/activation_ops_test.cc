// SPDX-License-Identifier: MIT
// Activations between gate and up, and 22-bit quantisation: right, and the same bits on every
// instruction set.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/group_gemm.h"
#include "kernels/registry.h"

namespace tern {
namespace {

std::vector<float> Numbers(size_t count) {
  std::mt19937_64 rng(3);
  std::vector<float> x = {0, -0.0f, 1, -1, 88, -88, 90, -90, 200, -200, 1e30f, -1e30f, 1e-30f};
  while (x.size() < count) {
    x.push_back((static_cast<float>(rng() % 20001) - 10000) / 1000);
  }
  return x;
}

using Activation = void (*VectorOps::*)(float*, const float*, size_t);

std::vector<float> Apply(const VectorOps& ops, Activation activation) {
  std::vector<float> gate = Numbers(203), up(203);
  for (size_t i = 0; i < up.size(); ++i) up[i] = 0.5f + static_cast<float>(i % 7);
  (ops.*activation)(gate.data(), up.data(), gate.size());
  return gate;
}

double SiluOf(double x) { return x / (1 + std::exp(-x)); }
double GeluOf(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}
double SquaredReluOf(double x) { return x > 0 ? x * x : 0; }

TEST(ActivationTest, FollowsTheFormula) {
  const std::pair<Activation, double (*)(double)> cases[] = {
      {&VectorOps::silu_times, SiluOf},
      {&VectorOps::gelu_times, GeluOf},
      {&VectorOps::squared_relu_times, SquaredReluOf}};
  const std::vector<float> x = Numbers(203);
  for (const auto& [activation, formula] : cases) {
    const std::vector<float> found = Apply(ChooseKernels("portable")->ops, activation);
    for (size_t i = 0; i < x.size(); ++i) {
      const double want = formula(x[i]) * (0.5 + static_cast<double>(i % 7));
      if (std::fabs(want) > 3e38) {
        EXPECT_TRUE(std::isinf(found[i])) << x[i];
      } else {
        // Far below 0 the formula for GELU itself cancels.
        EXPECT_NEAR(found[i], want, 2e-6 * std::fabs(want) + 2e-6) << x[i];
      }
      EXPECT_FALSE(std::isnan(found[i])) << x[i];
    }
  }
}

TEST(ActivationTest, SameBitsEverywhere) {
  const VectorOps portable = ChooseKernels("portable")->ops;
  for (const VectorOps& ops : VectorOpsTable()) {
    if (!CpuSupports(ops.isa)) continue;
    for (const Activation activation :
         {&VectorOps::silu_times, &VectorOps::gelu_times, &VectorOps::squared_relu_times}) {
      const std::vector<float> want = Apply(portable, activation), found = Apply(ops, activation);
      for (size_t i = 0; i < want.size(); ++i) {
        EXPECT_EQ(std::bit_cast<uint32_t>(found[i]), std::bit_cast<uint32_t>(want[i])) << ops.name;
      }
    }
  }
}

TEST(WideQuantisationTest, IsWithinHalfAStep) {
  constexpr size_t kCount = 1003;
  std::mt19937_64 rng(16);
  for (const VectorOps& ops : VectorOpsTable()) {
    if (!CpuSupports(ops.isa)) continue;
    for (const float most : {1e-6f, 0.5f, 3e4f}) {
      std::vector<float> x(kCount);
      for (float& value : x) value = (static_cast<float>(rng() % 2001) - 1000) / 1000 * most;
      x[5] = most;
      x[6] = -most;
      x[7] = std::numeric_limits<float>::quiet_NaN();
      std::vector<int8_t> codes[3] = {std::vector<int8_t>(kCount), std::vector<int8_t>(kCount),
                                      std::vector<int8_t>(kCount)};
      int8_t* const digits[3] = {codes[0].data(), codes[1].data(), codes[2].data()};
      const float factor = ops.quantize_row_wide(x.data(), digits, kCount);
      EXPECT_FLOAT_EQ(factor, kWideMax / std::max(most, 1e-5f));
      for (size_t i = 0; i < kCount; ++i) {
        for (const std::vector<int8_t>& digit : codes) ASSERT_GE(digit[i], -127);
        const int q = (codes[0][i] * kWideBase + codes[1][i]) * kWideBase + codes[2][i];
        const double want = std::isnan(x[i]) ? 0 : static_cast<double>(x[i]) * factor;
        ASSERT_NEAR(q, want, 0.75) << ops.name << " " << x[i];
      }
    }
  }
}

TEST(WideQuantisationTest, SameBitsEverywhere) {
  std::vector<float> x(77);
  for (size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<float>(i * i));
  const auto quantize = [&](const VectorOps& ops) {
    std::vector<int8_t> codes(3 * 77);
    int8_t* const digits[3] = {codes.data(), codes.data() + 77, codes.data() + 154};
    ops.quantize_row_wide(x.data(), digits, 77);
    return codes;
  };
  const std::vector<int8_t> want = quantize(ChooseKernels("portable")->ops);
  for (const VectorOps& ops : VectorOpsTable()) {
    if (!CpuSupports(ops.isa)) continue;
    EXPECT_EQ(quantize(ops), want) << ops.name;
  }
}

TEST(Bf16OpsTest, AreTheUpperHalvesOfFloats) {
  std::vector<uint16_t> x(133);
  std::vector<float> floats(133), y(133), decoded(133);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<uint16_t>(0x3f80 + i * 3);
    floats[i] = std::bit_cast<float>(uint32_t{x[i]} << 16);
    y[i] = std::cos(static_cast<float>(i));
  }
  for (const VectorOps& ops : VectorOpsTable()) {
    if (!CpuSupports(ops.isa)) continue;
    ops.from_bf16(x.data(), decoded.data(), x.size());
    EXPECT_EQ(decoded, floats) << ops.name;
    EXPECT_EQ(ops.dot_bf16(x.data(), y.data(), x.size()), ops.dot(floats.data(), y.data(), 133));
  }
}

}  // namespace
}  // namespace tern
