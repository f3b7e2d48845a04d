// SPDX-License-Identifier: MIT
// The conversions between float and IEEE binary16 of each row of the table, to the bit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <numeric>
#include <random>
#include <vector>

#include "kernels/registry.h"
#include "kernels/vector_ops.h"

namespace tern {
namespace {

float FromBits(uint32_t bits) { return std::bit_cast<float>(bits); }

// From the definition of binary16. A NaN keeps its payload and becomes quiet.
uint32_t ReferenceFromF16(uint16_t f16) {
  const uint32_t sign = static_cast<uint32_t>(f16 >> 15) << 31;
  const int exponent = f16 >> 10 & 31;
  const int mantissa = f16 & 1023;
  if (exponent == 31 && mantissa != 0) return sign | 0x7fc00000u | mantissa << 13;
  if (exponent == 31) return sign | 0x7f800000u;
  const float magnitude = exponent == 0
                              ? std::ldexp(static_cast<float>(mantissa), -24)
                              : std::ldexp(static_cast<float>(1024 + mantissa), exponent - 25);
  return sign | std::bit_cast<uint32_t>(magnitude);
}

// Counts in steps of 2^-24 or of the last place of x, whichever is larger: nearbyint rounds half to
// even. A magnitude that rounds to 2048 steps carries into the exponent by itself.
uint16_t ReferenceToF16(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const uint16_t sign = static_cast<uint16_t>(bits >> 31 << 15);
  if (std::isnan(x)) return sign | 0x7e00 | (bits >> 13 & 0x1ff);
  const double magnitude = std::fabs(static_cast<double>(x));
  if (magnitude >= 65520) return sign | 0x7c00;
  const int exponent = magnitude < 0x1p-14 ? -14 : std::ilogb(magnitude);
  const int steps = static_cast<int>(std::nearbyint(std::ldexp(magnitude, 10 - exponent)));
  return static_cast<uint16_t>(sign | (((exponent + 14) << 10) + steps));
}

class VectorF16Test : public ::testing::TestWithParam<VectorOps> {
 protected:
  void SetUp() override {
    if (!CpuSupports(ops_.isa)) GTEST_SKIP() << "no " << IsaName(ops_.isa);
  }

  void CheckToF16(const std::vector<float>& x) const {
    std::vector<uint16_t> result(x.size());
    ops_.to_f16(x.data(), result.data(), x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      ASSERT_EQ(result[i], ReferenceToF16(x[i]))
          << x[i] << " = 0x" << std::hex << std::bit_cast<uint32_t>(x[i]);
    }
  }

  const VectorOps ops_ = GetParam();
};

TEST_P(VectorF16Test, FromF16IsExactForAll) {
  std::vector<uint16_t> all(65536);
  std::iota(all.begin(), all.end(), 0);
  std::vector<float> result(all.size());
  ops_.from_f16(all.data(), result.data(), all.size());
  for (size_t i = 0; i < all.size(); ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(result[i]), ReferenceFromF16(all[i])) << std::hex << i;
  }
}

// Every f16, the halfway point to the next, and the floats beside both.
TEST_P(VectorF16Test, ToF16RoundsHalfToEven) {
  std::vector<float> x;
  for (uint32_t f16 = 0; f16 < 0x7c00; ++f16) {
    const float low = FromBits(ReferenceFromF16(static_cast<uint16_t>(f16)));
    const float high = f16 == 0x7bff ? 65536 : FromBits(ReferenceFromF16(f16 + 1));
    for (float value : {low, low + (high - low) / 2}) {
      const uint32_t bits = std::bit_cast<uint32_t>(value);
      for (uint32_t near : {bits == 0 ? 0 : bits - 1, bits, bits + 1}) {
        x.push_back(FromBits(near));
        x.push_back(FromBits(near | 0x80000000u));
      }
    }
  }
  CheckToF16(x);
}

TEST_P(VectorF16Test, ToF16OfAnyBits) {
  std::vector<float> x;
  for (uint64_t bits = 0; bits <= 0xffffffff; bits += 4093) {
    x.push_back(FromBits(static_cast<uint32_t>(bits)));
  }
  CheckToF16(x);
}

TEST_P(VectorF16Test, ToF16OfSpecialValues) {
  EXPECT_EQ(ReferenceToF16(65504), 0x7bff);
  CheckToF16({0.0f, -0.0f, 65504, 65519.996f, 65520, 65536, 1e30f, -1e30f, 0x1p-24f, 0x1p-25f,
              0x1.000002p-25f, 0x1p-149f, FromBits(0x7f800000), FromBits(0xff800000),
              FromBits(0x7fc00000), FromBits(0x7f800001), FromBits(0xffbfffff)});
}

// Short rows and odd tails touch no neighbour.
TEST_P(VectorF16Test, ConvertsAnyLength) {
  for (size_t n = 0; n <= 70; ++n) {
    const std::vector<float> x(n, 1.5f);
    std::vector<uint16_t> f16(n + 1, 0xabcd);
    ops_.to_f16(x.data(), f16.data(), n);
    std::vector<float> back(n + 1, 99.0f);
    ops_.from_f16(f16.data(), back.data(), n);
    for (size_t i = 0; i < n; ++i) EXPECT_EQ(back[i], 1.5f) << i << " of " << n;
    EXPECT_EQ(f16[n], 0xabcd);
    EXPECT_EQ(back[n], 99.0f);
  }
}

INSTANTIATE_TEST_SUITE_P(All, VectorF16Test,
                         ::testing::ValuesIn(VectorOpsTable().begin(), VectorOpsTable().end()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace tern
