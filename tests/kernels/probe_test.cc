// SPDX-License-Identifier: MIT
#include "kernels/probe.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "base/aligned_buffer.h"
#include "tests/kernels/tested_kernels.h"

namespace tern {
namespace {

class ProbeTest : public ::testing::TestWithParam<ProbeKernel> {
 protected:
  void SetUp() override {
    if (!CpuSupports(GetParam().isa)) GTEST_SKIP() << "not on this CPU";
  }
};

// None left out by a compiler that saw through the loop, none done twice.
TEST_P(ProbeTest, DoesEveryMultiplyAdd) {
  const ProbeKernel& probe = GetParam();
  EXPECT_EQ(probe.dot(0), 0u);
  for (const size_t rounds : {1, 2, 77}) EXPECT_EQ(probe.dot(rounds), rounds * probe.dot_macs);
}

TEST_P(ProbeTest, ReadsEveryWord) {
  std::mt19937_64 rng(1);
  for (const size_t blocks : {0, 1, 3, 64}) {
    AlignedBuffer<uint64_t> words(blocks * kProbeBlockBytes / sizeof(uint64_t));
    uint64_t want = 0;
    for (uint64_t& word : words) want ^= word = rng();
    EXPECT_EQ(
        GetParam().read(reinterpret_cast<const uint8_t*>(words.data()), blocks * kProbeBlockBytes),
        want)
        << blocks;
  }
}

INSTANTIATE_TEST_SUITE_P(All, ProbeTest, ::testing::ValuesIn(TestedProbeKernels()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace tern
