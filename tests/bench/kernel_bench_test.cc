// SPDX-License-Identifier: MIT
#include "bench/kernel_bench.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "absl/strings/match.h"
#include "bench/tables.h"
#include "kernels/registry.h"

namespace tern {
namespace {

using ::testing::HasSubstr;

TEST(KernelBenchTest, MeasuresEveryKernelThisCpuRuns) {
  const auto pool = ThreadPool::Create({.threads = 1, .cpus = {}}).value();
  KernelBenchOptions options;
  options.shapes = {{96, 128}};
  options.tokens = {1, 3};
  options.budget = absl::ZeroDuration();
  const Limits limits = {.threads = 1, .read_gb_per_s = 10, .int8_gmac_per_s = 100};
  double share = 0;
  const std::vector<KernelResult> results =
      BenchKernels(options, Topology(), limits, *pool, [&share](double done) { share = done; });
  EXPECT_EQ(share, 1);
  std::set<std::string> measured;
  for (const KernelResult& result : results) {
    measured.insert(result.kernel.substr(0, result.kernel.find('.')));
    EXPECT_TRUE(std::isfinite(result.gmac_per_s)) << result.kernel;
    EXPECT_GT(result.gmac_per_s, 0) << result.kernel;
    if (absl::StrContains(result.kernel, '.')) continue;  // of no matrix
    EXPECT_GT(result.gb_per_s, 0) << result.kernel;
    EXPECT_DOUBLE_EQ(result.limit_share, std::max(result.gb_per_s / 10, result.gmac_per_s / 100));
  }
  for (const KernelRow& row : KernelRows()) {
    const bool probe = absl::StartsWith(row.name, "probe_");
    EXPECT_EQ(measured.contains(row.name), CpuSupports(row.isa) && !probe) << row.name;
  }
}

TEST(KernelBenchTest, FiltersByName) {
  const auto pool = ThreadPool::Create({.threads = 2, .cpus = {}}).value();
  KernelBenchOptions options;
  options.shapes = {{16, 64}};
  options.filter = "gemv_t2r16_portable";
  options.budget = absl::ZeroDuration();
  const Limits limits = {.threads = 2, .read_gb_per_s = 1, .int8_gmac_per_s = 1};
  const std::vector<KernelResult> results = BenchKernels(options, Topology(), limits, *pool);
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].kernel, "gemv_t2r16_portable");
  EXPECT_EQ(results[0].threads, 2u);
}

TEST(KernelBenchTest, KnowsTheMatricesOfModels) {
  EXPECT_THAT(MatricesOf("bitnet-2b-4t").value(),
              ::testing::ElementsAre(MatrixShape{2560, 2560}, MatrixShape{640, 2560},
                                     MatrixShape{6912, 2560}, MatrixShape{2560, 6912}));
  EXPECT_GT(MatricesOf("all")->size(), 15u);
  const absl::Status unknown = MatricesOf("gpt").status();
  EXPECT_TRUE(absl::IsNotFound(unknown));
  EXPECT_THAT(unknown.message(), HasSubstr("found gpt, want all or one of bitnet-2b-4t"));
}

TEST(KernelBenchTest, ListsEveryRow) {
  const std::string list = ListKernels();
  EXPECT_THAT(list, HasSubstr("gemv_t2r16_portable"));
  for (const KernelRow& row : KernelRows()) EXPECT_THAT(list, HasSubstr(row.name));
}

}  // namespace
}  // namespace tern
