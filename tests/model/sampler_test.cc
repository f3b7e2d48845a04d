// SPDX-License-Identifier: MIT
#include "model/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <set>

#include "model/exact_math.h"
#include "model/philox.h"

namespace tern {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// kat_vectors of the authors' Random123 library.
TEST(PhiloxTest, KnownAnswers) {
  EXPECT_THAT(Philox4x32({0, 0, 0, 0}, {0, 0}),
              ElementsAre(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  EXPECT_THAT(Philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
              ElementsAre(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
  EXPECT_THAT(
      Philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
      ElementsAre(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1));
}

TEST(PhiloxTest, UniformUsesAllOfSeedAndPosition) {
  std::set<double> seen;
  for (const uint64_t seed : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 32, ~uint64_t{0}}) {
    for (const uint64_t position : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 32}) {
      const double uniform = UniformAt(seed, position);
      EXPECT_GE(uniform, 0);
      EXPECT_LT(uniform, 1);
      seen.insert(uniform);
    }
  }
  EXPECT_EQ(seen.size(), 12u);
}

TEST(ExactMathTest, ExpIsNearLibm) {
  EXPECT_EQ(ExactExp(0), 1);
  EXPECT_EQ(ExactExp(-701), 0);
  EXPECT_EQ(ExactExp(-std::numeric_limits<double>::infinity()), 0);
  EXPECT_EQ(ExactExp(std::numeric_limits<double>::quiet_NaN()), 0);
  for (double x = -700; x <= 700; x += 0.37) {
    EXPECT_NEAR(ExactExp(x) / std::exp(x), 1, 1e-15) << x;
  }
}

TEST(ExactMathTest, LogIsNearLibm) {
  EXPECT_EQ(ExactLog(1), 0);
  for (double x = 1e-300; x < 1e300; x *= 1.7) {
    EXPECT_NEAR(ExactLog(x), std::log(x), 1e-15 + 1e-15 * std::abs(std::log(x))) << x;
  }
  for (double x = 0.5; x < 2; x += 0.001) EXPECT_NEAR(ExactLog(x), std::log(x), 1e-15) << x;
}

std::vector<float> RandomLogits(size_t count, uint64_t seed) {
  std::mt19937_64 rng(seed);
  std::vector<float> logits(count);
  for (float& logit : logits) logit = static_cast<float>(rng() % 2000) / 100 - 10;
  return logits;
}

SamplingParams Plain() {
  SamplingParams params;
  params.temperature = 1;
  params.top_k = 0;
  params.top_p = 1;
  return params;
}

// Tokens drawn at positions 0..draws-1, and how often.
std::map<TokenId, int> Draw(const std::vector<float>& logits, const SamplingParams& params,
                            int draws, const std::vector<TokenId>& history = {}) {
  std::map<TokenId, int> counts;
  for (int i = 0; i < draws; ++i) {
    ++counts[SampleToken(logits, params, static_cast<uint64_t>(i), history).chosen.token];
  }
  return counts;
}

std::vector<TokenId> Keys(const std::map<TokenId, int>& counts) {
  std::vector<TokenId> keys;
  for (const auto& [token, count] : counts) keys.push_back(token);
  return keys;
}

TEST(SamplerTest, GreedyTakesTheFirstOfTheLargest) {
  SamplingParams params;
  params.temperature = 0;
  EXPECT_EQ(SampleToken(std::vector<float>{1, 5, 2, 5, 5}, params, 0, {}).chosen.token, 1);
  EXPECT_EQ(SampleToken(std::vector<float>{-3}, params, 0, {}).chosen.token, 0);
  EXPECT_EQ(SampleToken(std::vector<float>{kNan, -kInfinity, -1}, params, 0, {}).chosen.token, 2);
}

TEST(SamplerTest, TopKOneIsGreedy) {
  SamplingParams greedy, one = Plain();
  greedy.temperature = 0;
  one.top_k = 1;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const std::vector<float> logits = RandomLogits(300, seed);  // with ties
    EXPECT_EQ(SampleToken(logits, one, seed, {}), SampleToken(logits, greedy, seed, {}));
  }
}

TEST(SamplerTest, TopKKeepsTheBestAndTiesById) {
  SamplingParams params = Plain();
  params.top_k = 3;
  EXPECT_THAT(Keys(Draw({1, 2, 1, 2, 1}, params, 500)), ElementsAre(0, 1, 3));
  params.top_k = 100;
  EXPECT_THAT(Keys(Draw({1, 2, 1, 2, 1}, params, 500)), ElementsAre(0, 1, 2, 3, 4));
}

// Probabilities 0.5, 0.3, 0.15, 0.05.
const std::vector<float> kFour = {std::log(0.15f), std::log(0.5f), std::log(0.05f), std::log(0.3f)};

TEST(SamplerTest, TopPKeepsTheLeastPrefixThatReachesIt) {
  SamplingParams params = Plain();
  const std::map<float, std::vector<TokenId>> want = {{0.001f, {1}},      {0.49f, {1}},
                                                      {0.51f, {1, 3}},    {0.79f, {1, 3}},
                                                      {0.81f, {0, 1, 3}}, {0.96f, {0, 1, 2, 3}}};
  for (const auto& [top_p, tokens] : want) {
    params.top_p = top_p;
    EXPECT_EQ(Keys(Draw(kFour, params, 1000)), tokens) << top_p;
  }
}

TEST(SamplerTest, MinPIsAShareOfTheLargest) {
  SamplingParams params = Plain();
  const std::map<float, std::vector<TokenId>> want = {
      {1, {1}}, {0.61f, {1}}, {0.59f, {1, 3}}, {0.29f, {0, 1, 3}}, {0.09f, {0, 1, 2, 3}}};
  for (const auto& [min_p, tokens] : want) {
    params.min_p = min_p;
    EXPECT_EQ(Keys(Draw(kFour, params, 1000)), tokens) << min_p;
  }
}

// Pearson's statistic, 3 degrees of freedom: above 16.3 once in a thousand seeds; this seed is
// fixed.
TEST(SamplerTest, FrequenciesAreTheProbabilities) {
  constexpr int kDraws = 20000;
  for (const float temperature : {0.5f, 1.0f, 2.0f}) {
    SamplingParams params = Plain();
    params.temperature = temperature;
    params.seed = 42;
    const std::map<TokenId, int> counts = Draw(kFour, params, kDraws);
    double total = 0;
    for (const float logit : kFour) total += std::exp(logit / temperature);
    double chi_square = 0;
    for (const auto& [token, count] : counts) {
      const double expected = kDraws * std::exp(kFour[token] / temperature) / total;
      chi_square += std::pow(count - expected, 2) / expected;
    }
    EXPECT_EQ(counts.size(), 4u);
    EXPECT_LT(chi_square, 16.3) << "temperature " << temperature;
  }
}

TEST(SamplerTest, SeedAndPositionDecide) {
  const std::vector<float> logits(1000, 0.0f);
  SamplingParams params = Plain(), other = Plain();
  other.seed = 1;
  int same_seed = 0, other_seed = 0, other_position = 0;
  for (uint64_t position = 0; position < 100; ++position) {
    const SampledToken token = SampleToken(logits, params, position, {});
    same_seed += token == SampleToken(logits, params, position, {});
    other_seed += token == SampleToken(logits, other, position, {});
    other_position += token == SampleToken(logits, params, position + 1, {});
  }
  EXPECT_EQ(same_seed, 100);
  EXPECT_LT(other_seed, 5);
  EXPECT_LT(other_position, 5);
}

// Recorded: a change of these changes what every user's seed gives.
TEST(SamplerTest, GoldenTokens) {
  const std::vector<float> logits = RandomLogits(500, 9);
  SamplingParams params;
  params.seed = 7;
  std::vector<TokenId> tokens;
  for (uint64_t position = 0; position < 8; ++position) {
    tokens.push_back(SampleToken(logits, params, position, {}).chosen.token);
  }
  EXPECT_THAT(tokens, ElementsAre(431, 192, 322, 192, 323, 265, 200, 323));
}

TEST(SamplerTest, RepetitionPenaltyCountsOnceAndPushesBothSignsDown) {
  SamplingParams params;
  params.temperature = 0;
  params.repetition_penalty = 2;
  const std::vector<float> logits = {4, 3, -1};
  EXPECT_EQ(SampleToken(logits, params, 0, {}).chosen.token, 0);
  const std::vector<TokenId> seen = {0, 0, 0};
  EXPECT_EQ(SampleToken(logits, params, 0, seen).chosen.token, 1) << "4 / 2 < 3";
  const std::vector<TokenId> both = {1, 0};
  EXPECT_EQ(SampleToken(logits, params, 0, both).chosen.token, 0) << "4 / 2 > 3 / 2";
  const std::vector<float> negative = {-1, -1.5f};
  EXPECT_EQ(SampleToken(negative, params, 0, seen).chosen.token, 1) << "-1 * 2 < -1.5";
  const std::vector<TokenId> foreign = {-5, 99};
  EXPECT_EQ(SampleToken(logits, params, 0, foreign).chosen.token, 0);
}

TEST(SamplerTest, LogprobsAreThoseOfTheUnmodifiedLogits) {
  SamplingParams params = Plain();
  params.temperature = 0;
  params.repetition_penalty = 10;
  params.logprobs = 3;
  const std::vector<TokenId> seen = {0};  // pushes its negative logit further down
  const SampledToken sampled = SampleToken(kFour, params, 0, seen);
  ASSERT_EQ(sampled.top.size(), 3u);
  EXPECT_EQ(sampled.top[0].token, 1);
  EXPECT_EQ(sampled.top[1].token, 3);
  EXPECT_EQ(sampled.top[2].token, 0);
  EXPECT_NEAR(std::exp(sampled.top[0].logprob), 0.5, 1e-6);
  EXPECT_NEAR(std::exp(sampled.top[1].logprob), 0.3, 1e-6);
  EXPECT_NEAR(std::exp(sampled.top[2].logprob), 0.15, 1e-6);
  EXPECT_EQ(sampled.chosen, sampled.top[0]);
  params.logprobs = 0;
  EXPECT_TRUE(SampleToken(kFour, params, 0, {}).top.empty());
  EXPECT_EQ(SampleToken(kFour, params, 0, {}).chosen.logprob, 0);
}

TEST(SamplerTest, LogprobsOfFewTokensAreAll) {
  SamplingParams params = Plain();
  params.logprobs = 20;
  EXPECT_EQ(SampleToken(kFour, params, 0, {}).top.size(), 4u);
}

// Logits of a broken model: some token, no crash.
TEST(SamplerTest, SurvivesLogitsThatAreNotFinite) {
  SamplingParams params;
  params.logprobs = 2;
  for (const std::vector<float>& logits : {std::vector<float>{kNan, kNan},
                                           {kInfinity, 0},
                                           {kInfinity, kInfinity},
                                           {-kInfinity, -kInfinity},
                                           {kNan, kInfinity},
                                           {kNan, -kInfinity}}) {
    const TokenId token = SampleToken(logits, params, 0, {}).chosen.token;
    EXPECT_TRUE(token == 0 || token == 1);
  }
}

TEST(SamplerTest, ValidateNamesTheField) {
  EXPECT_TRUE(Validate(SamplingParams{}).ok());
  const auto message = [](auto change) {
    SamplingParams params;
    change(params);
    const absl::Status status = Validate(params);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_EQ(message([](SamplingParams& p) { p.temperature = -1; }),
            "temperature: found -1, want 0 to 100");
  EXPECT_THAT(message([](SamplingParams& p) { p.temperature = kNan; }), HasSubstr("found nan"));
  EXPECT_THAT(message([](SamplingParams& p) { p.temperature = kInfinity; }), HasSubstr("inf"));
  EXPECT_EQ(message([](SamplingParams& p) { p.top_p = 0; }),
            "top_p: found 0, want more than 0, at most 1");
  EXPECT_THAT(message([](SamplingParams& p) { p.top_p = kNan; }), HasSubstr("top_p"));
  EXPECT_THAT(message([](SamplingParams& p) { p.min_p = 1.5f; }), HasSubstr("min_p: found 1.5"));
  EXPECT_THAT(message([](SamplingParams& p) { p.min_p = kNan; }), HasSubstr("min_p"));
  EXPECT_THAT(message([](SamplingParams& p) { p.repetition_penalty = 0.5f; }),
              HasSubstr("repetition_penalty: found 0.5, want 1 to 10"));
  EXPECT_THAT(message([](SamplingParams& p) { p.repetition_penalty = kNan; }),
              HasSubstr("repetition_penalty"));
  EXPECT_EQ(message([](SamplingParams& p) { p.logprobs = 21; }),
            "logprobs: found 21, want 0 to 20");
}

}  // namespace
}  // namespace tern
