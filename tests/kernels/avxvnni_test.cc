// SPDX-License-Identifier: MIT
// The AVX-VNNI kernels on CPUs that have the same instructions in AVX-512's encoding, which this
// test compiles them in: few machines have both.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/registry.h"
#include "tests/kernels/ternary.h"

namespace tern {

// As tests/kernels/CMakeLists.txt renames them.
void GemvByEvex(const GemvArgs& args);
void GemmByEvex(const GemmArgs& args);

namespace {

class AvxVnniTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!CpuSupports(Isa::kAvx512Vnni)) GTEST_SKIP() << "no AVX-512 VNNI to stand in";
  }
};

TEST_F(AvxVnniTest, GemvEqualsThePlainSum) {
  std::mt19937 rng(1);
  for (size_t rows : {1, 16, 33}) {
    for (size_t cols : {16, 272, 2560}) {
      const TernaryMatrix w = RandomTernary(rows, cols, rng);
      const std::vector<int8_t> x = RandomActivations(cols, rng);
      const std::vector<uint8_t> packed = Pack(w, Packing::kT2R16);
      std::vector<int32_t> sums(RoundUp(rows, 16));
      GemvByEvex({packed.data(), x.data(), SumOf(x), sums.data(), rows, cols});
      sums.resize(rows);
      EXPECT_EQ(sums, PlainGemv(w, x)) << rows << "x" << cols;
    }
  }
}

TEST_F(AvxVnniTest, HoldsTheWidestRow) {
  constexpr size_t kCols = 500'000;
  const std::vector<uint8_t> packed = Pack(ConstantTernary(1, kCols, -1), Packing::kT2R16);
  const std::vector<int8_t> x(kCols, 127);
  std::vector<int32_t> sums(16);
  GemvByEvex({packed.data(), x.data(), SumOf(x), sums.data(), 1, kCols});
  EXPECT_EQ(sums[0], -127 * static_cast<int32_t>(kCols));
}

TEST_F(AvxVnniTest, GemmEqualsThePlainSum) {
  std::mt19937 rng(2);
  const TernaryMatrix w = RandomTernary(48, 272, rng);
  const std::vector<uint8_t> packed = Pack(w, Packing::kT2R16);
  for (size_t tokens = 1; tokens <= 12; ++tokens) {
    const std::vector<int8_t> x = RandomActivations(tokens * w.cols, rng);
    const std::span<const int8_t> all(x);
    std::vector<int32_t> x_sums, sums(tokens * 48);
    for (size_t t = 0; t < tokens; ++t) x_sums.push_back(SumOf(all.subspan(t * 272, 272)));
    GemmByEvex(
        {packed.data(), x.data(), w.cols, x_sums.data(), sums.data(), 48, 48, w.cols, tokens});
    for (size_t t = 0; t < tokens; ++t) {
      EXPECT_THAT(std::span(sums).subspan(t * 48, 48),
                  ::testing::ElementsAreArray(PlainGemv(w, all.subspan(t * 272, 272))))
          << "token " << t << " of " << tokens;
    }
  }
}

}  // namespace
}  // namespace tern
