// SPDX-License-Identifier: MIT
#include "bench/compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/bench/sample_report.h"

namespace tern {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(CompareTest, RatiosOfWhatBothMeasured) {
  Report second = SampleReport();
  second.results[0].tokens_per_s.median = 150;
  second.results[1].depth = 0;
  second.kernels[0].gmac_per_s = 40;
  EXPECT_EQ(Compare(SampleReport(), second),
            "                                                first  second  second/first\n"
            "read GB/s, 2 threads                            30.00   30.00         1.000\n"
            "int8 GMAC/s, 2 threads                         400.00  400.00         1.000\n"
            "pp512, 2 threads, batch 1, depth 0             100.00  150.00         1.500\n"
            "gemv_t2r16_avx2 2560x640, 1 tokens, 2 threads   80.00   40.00         0.500\n");
}

TEST(CompareTest, NotesWhatDiffers) {
  Report second = SampleReport();
  EXPECT_THAT(Compare(SampleReport(), second), Not(HasSubstr("note")));
  second.machine.cpu = "Another CPU";
  second.machine.kernels = {"gemv_t2r16_portable"};
  second.machine.commit = "fedcba987654";
  second.machine.load_average = 3;
  second.model->name = "other";
  const std::string text = Compare(SampleReport(), second);
  EXPECT_THAT(text, HasSubstr("note: different machines: A CPU | Another CPU\n"));
  EXPECT_THAT(text, HasSubstr("note: different kernels: gemv_t2r16_avx2 gemm_t2r16_avx2 | gemv"));
  EXPECT_THAT(text, HasSubstr("note: different builds: 0.1.0 0123456789ab | 0.1.0 fedcba987654"));
  EXPECT_THAT(text, HasSubstr("note: different models: tiny | other\n"));
  EXPECT_THAT(text, HasSubstr("note: the second machine was busy: load average 3.00\n"));
}

TEST(CompareTest, NothingInCommon) {
  EXPECT_THAT(Compare(SampleReport(), Report()), HasSubstr("nothing was measured by both\n"));
}

}  // namespace
}  // namespace tern
