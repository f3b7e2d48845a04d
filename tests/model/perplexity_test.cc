// SPDX-License-Identifier: MIT
#include "model/perplexity.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "tests/support/random_model.h"
#include "tests/support/run_model.h"

namespace tern {
namespace {

constexpr TokenId kBos = 0;

PerplexityOptions EveryToken(uint32_t context) {
  return {.context = context, .stride = 0, .every_token = true, .kv_type = KvType::kF16};
}

class PerplexityTest : public ::testing::Test {
 protected:
  // The definition, window by window, with std::exp and std::log.
  double Want(const std::vector<TokenId>& tokens, size_t window) const {
    double total = 0;
    for (size_t begin = 0; begin < tokens.size(); begin += window - 1) {
      const size_t end = std::min(tokens.size(), begin + window - 1);
      std::vector<TokenId> inputs = {kBos};
      inputs.insert(inputs.end(), tokens.begin() + static_cast<ptrdiff_t>(begin),
                    tokens.begin() + static_cast<ptrdiff_t>(end) - 1);
      const std::vector<float> logits = RunModel(config_, source_, inputs);
      for (size_t i = begin; i < end; ++i) {
        const float* row = logits.data() + (i - begin) * config_.vocab;
        double sum = 0;
        for (size_t j = 0; j < config_.vocab; ++j) sum += std::exp(double{row[j]});
        total += std::log(sum) - row[tokens[i]];
      }
    }
    return std::exp(total / static_cast<double>(tokens.size()));
  }

  const ModelConfig config_ = SmallConfig();
  const RandomModel source_{config_, 4};
  std::unique_ptr<ThreadPool> pool_ = ThreadPool::Create({.threads = 2, .cpus = {}}).value();
  std::unique_ptr<Transformer> model_ =
      Transformer::Load(config_, {0, config_.layers}, source_, ChooseKernels().value(), pool_.get())
          .value();
};

TEST_F(PerplexityTest, IsTheDefinition) {
  const std::vector<TokenId> tokens = RandomTokens(config_, 100, 1);
  for (const uint32_t window : {2u, 12u, 100u, 101u, 128u}) {
    const auto found = MeasurePerplexity(*model_, tokens, kBos, EveryToken(window));
    ASSERT_TRUE(found.ok());
    EXPECT_NEAR(found->perplexity / Want(tokens, window), 1, 1e-9) << "window " << window;
    EXPECT_EQ(found->tokens, 100u);
  }
}

// As llama-perplexity counts: whole sequences with bos first, the second half of each.
TEST_F(PerplexityTest, CountsSecondHalves) {
  const std::vector<TokenId> tokens = RandomTokens(config_, 45, 2);
  double total = 0;
  size_t count = 0;
  for (size_t begin = 0; begin + 20 <= tokens.size(); begin += 20) {
    std::vector<TokenId> inputs(tokens.begin() + static_cast<ptrdiff_t>(begin),
                                tokens.begin() + static_cast<ptrdiff_t>(begin) + 20);
    inputs[0] = kBos;
    const std::vector<float> logits = RunModel(config_, source_, inputs);
    for (size_t i = 10; i < 19; ++i) {
      const float* row = logits.data() + i * config_.vocab;
      double sum = 0;
      for (size_t j = 0; j < config_.vocab; ++j) sum += std::exp(double{row[j]});
      total += std::log(sum) - row[inputs[i + 1]];
      ++count;
    }
  }
  PerplexityOptions options;
  options.context = 20;
  const Perplexity found = MeasurePerplexity(*model_, tokens, kBos, options).value();
  EXPECT_EQ(found.tokens, count);
  EXPECT_NEAR(found.perplexity / std::exp(total / static_cast<double>(count)), 1, 1e-9);
  EXPECT_GT(found.error, 0);
  options.stride = 5;
  EXPECT_EQ(MeasurePerplexity(*model_, tokens, kBos, options)->tokens, 30u);  // begins 0, 5 ... 25
}

TEST_F(PerplexityTest, ReportsProgressUpToOne) {
  std::vector<float> progress;
  const std::vector<TokenId> tokens = RandomTokens(config_, 30, 1);
  ASSERT_TRUE(MeasurePerplexity(*model_, tokens, kBos, EveryToken(11), [&](float share) {
                progress.push_back(share);
              }).ok());
  EXPECT_EQ(progress.size(), 3u);
  EXPECT_EQ(progress.back(), 1);
}

TEST_F(PerplexityTest, RefusesWhatCannotBe) {
  const auto code = [&](const std::vector<TokenId>& tokens, uint32_t window) {
    return MeasurePerplexity(*model_, tokens, kBos, EveryToken(window)).status().code();
  };
  EXPECT_EQ(code({}, 16), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({1, 99}, 16), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({1, -1}, 16), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({1}, 1), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({1}, 129), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace tern
