// SPDX-License-Identifier: MIT
#include "bench/model_bench.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/random_model.h"

namespace tern {
namespace {

using ::testing::ElementsAre;

// SmallConfig: 5 layers of 256, queries of 256, keys and values of 64, a vocabulary of 99.
struct LoadedModel {
  std::unique_ptr<ThreadPool> pool = ThreadPool::Create({.threads = 2, .cpus = {}}).value();
  std::unique_ptr<Transformer> transformer;

  explicit LoadedModel(const ModelConfig& config) {
    const RandomModel source(config, 1);
    transformer =
        Transformer::Load(config, {0, config.layers}, source, ChooseKernels().value(), pool.get())
            .value();
  }
};

TEST(ModelBenchTest, ListsOfTests) {
  const std::vector<BenchTest> tests =
      TestsOf({.prompts = {8}, .generates = {4}, .depths = {0, 64}, .batches = {1, 3}});
  EXPECT_THAT(tests, ElementsAre(BenchTest{.prompt = 8}, BenchTest{.prompt = 8, .depth = 64},
                                 BenchTest{.generate = 4}, BenchTest{.generate = 4, .depth = 64},
                                 BenchTest{.generate = 4, .batch = 3}));
  EXPECT_EQ(tests[1].Name(), "pp8");
  EXPECT_EQ(tests[4].Name(), "tg4");
  EXPECT_EQ(ContextFor(tests), 64u + 8 + 1);
}

TEST(ModelBenchTest, RunsEveryTest) {
  const ModelConfig config = SmallConfig();
  const LoadedModel model(config);
  const std::vector<BenchTest> tests =
      TestsOf({.prompts = {20}, .generates = {4}, .depths = {0, 40}, .batches = {1, 3}});
  const auto bench =
      ModelBench::Create(model.transformer.get(), model.pool.get(), tests, {.chunk = 16}).value();
  int done = 0;
  ASSERT_TRUE(bench->RunRound([&done] { ++done; }).ok());
  ASSERT_TRUE(bench->RunRound().ok());
  EXPECT_EQ(done, 5);
  const Limits limits = {.threads = 2, .read_median_gb_per_s = 10, .int8_median_gmac_per_s = 100};
  const std::vector<TestResult> results = bench->Results(limits);
  ASSERT_EQ(results.size(), tests.size());
  for (const TestResult& r : results) {
    EXPECT_EQ(r.threads, 2u);
    EXPECT_GT(r.tokens_per_s.min, 0);
    EXPECT_TRUE(std::isfinite(r.tokens_per_s.max));
    EXPECT_LE(r.tokens_per_s.min, r.tokens_per_s.median);
    EXPECT_LE(r.tokens_per_s.median, r.tokens_per_s.max);
    EXPECT_EQ(r.token_latency_ms.has_value(), r.test == "tg4");
    EXPECT_EQ(r.time_to_first_token_ms.has_value(), r.test == "pp20");
  }
}

// By hand, from the shape: nothing here asks the code under test.
TEST(ModelBenchTest, BytesAndSharesAddUp) {
  const ModelConfig config = SmallConfig();
  const LoadedModel model(config);
  const std::vector<BenchTest> tests = {{.prompt = 20}, {.generate = 4, .batch = 3, .depth = 40}};
  const auto bench =
      ModelBench::Create(model.transformer.get(), model.pool.get(), tests, {.chunk = 16}).value();
  ASSERT_TRUE(bench->RunRound().ok());
  const Limits limits = {.threads = 2, .read_median_gb_per_s = 10, .int8_median_gmac_per_s = 100};
  const std::vector<TestResult> results = bench->Results(limits);
  const double weights = 5.0 * (2 * 256 * 256 + 2 * 64 * 256 + 3 * 256 * config.ffn_dim);
  const double head = 99 * 256 * 2;
  const double kv_token = 5 * 2 * 64 * 2;

  const TestResult& decode = results[1];
  EXPECT_DOUBLE_EQ(decode.weight_bytes_per_token, weights / 4 / 3);
  EXPECT_DOUBLE_EQ(decode.head_bytes_per_token, head / 3);
  EXPECT_DOUBLE_EQ(decode.bytes_per_token, (weights / 4 + head) / 3);
  EXPECT_DOUBLE_EQ(decode.kv_bytes_per_token, kv_token * (41 + 42 + 43 + 44) / 4);
  const double speed = decode.tokens_per_s.median;
  EXPECT_DOUBLE_EQ(decode.limit_share, decode.bytes_per_token * speed / 10e9);
  EXPECT_DOUBLE_EQ(decode.bandwidth_share,
                   (decode.bytes_per_token + decode.kv_bytes_per_token) * speed / 10e9);
  EXPECT_DOUBLE_EQ(decode.int8_share, weights * speed / 100e9);

  const TestResult& prompt = results[0];
  EXPECT_DOUBLE_EQ(prompt.weight_bytes_per_token, 2 * weights / 4 / 20);  // two chunks
  EXPECT_DOUBLE_EQ(prompt.head_bytes_per_token, head / 20);
  EXPECT_DOUBLE_EQ(prompt.kv_bytes_per_token, kv_token * (16 + 20) / 20);
  EXPECT_DOUBLE_EQ(prompt.limit_share, weights * prompt.tokens_per_s.median / 100e9);
}

TEST(ModelBenchTest, RefusesACacheThatDoesNotFit) {
  const LoadedModel model(SmallConfig());
  const std::vector<BenchTest> tests = {{.generate = 1 << 30, .batch = 1 << 20}};
  EXPECT_TRUE(absl::IsResourceExhausted(
      ModelBench::Create(model.transformer.get(), model.pool.get(), tests, {}).status()));
}

}  // namespace
}  // namespace tern
