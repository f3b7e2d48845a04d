// SPDX-License-Identifier: MIT
// The forward pass against the plain oracle, and its refusals. That all ways to run it give the
// same bits is the business of invariance_test.cc.
#include "model/transformer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "model/local_pages.h"
#include "tests/reference/oracle.h"
#include "tests/support/random_model.h"
#include "tests/support/run_model.h"

namespace tern {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// An activation nearer than this to the middle of two int8 codes may fall to either side in float:
// about 127 * 2^-24, for some ten operations.
constexpr double kTieMargin = 1e-4;

// The first random sequence on which no rounding is in doubt.
struct ClearCut {
  std::vector<TokenId> tokens;
  Rows logits;
};
ClearCut FindClearCut(const Oracle& oracle, const ModelConfig& config, size_t count) {
  for (uint64_t seed = 0;; ++seed) {
    const std::vector<TokenId> tokens = RandomTokens(config, count, seed);
    OracleResult result = oracle.Run(tokens);
    if (result.tie_margin > kTieMargin) return {tokens, std::move(result.logits)};
  }
}

struct OracleCase {
  const char* name;
  uint32_t layers, heads, kv_heads, tokens;
};

class OracleTest : public ::testing::TestWithParam<OracleCase> {};

// A code that fell to the other side would move logits by 1e-3 of the largest or more.
TEST_P(OracleTest, LogitsAreThoseOfThePlainComputation) {
  const OracleCase& param = GetParam();
  ModelConfig config = SmallConfig();
  config.layers = param.layers;
  config.heads = param.heads;
  config.kv_heads = param.kv_heads;
  config.head_dim = config.dim / config.heads;
  const RandomModel source(config, 1);
  const Oracle oracle = Oracle::Create(config, source).value();
  const ClearCut want = FindClearCut(oracle, config, param.tokens);

  RunOptions options;
  options.kv_type = KvType::kF32;
  const std::vector<float> logits = RunModel(config, source, want.tokens, options);

  for (size_t t = 0; t < want.tokens.size(); ++t) {
    double largest = 0;
    for (const double logit : want.logits[t]) largest = std::max(largest, std::abs(logit));
    for (size_t i = 0; i < config.vocab; ++i) {
      EXPECT_NEAR(logits[t * config.vocab + i], want.logits[t][i], 1e-5 * largest)
          << "token " << t << ", logit " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, OracleTest,
                         ::testing::Values(OracleCase{"one_token", 2, 8, 2, 1},
                                           OracleCase{"several_tokens", 2, 8, 2, 4},
                                           OracleCase{"many_tokens", 1, 8, 2, 9},
                                           OracleCase{"every_head_its_own_keys", 2, 4, 4, 3},
                                           OracleCase{"all_heads_share_keys", 2, 8, 1, 3}),
                         [](const auto& test) { return test.param.name; });

// Keys and values in half precision tip some int8 codes: near the oracle, but not as near as in
// single.
TEST(TransformerTest, HalfPrecisionCacheStaysNearTheOracle) {
  ModelConfig config = SmallConfig();
  config.layers = 1;
  const RandomModel source(config, 1);
  const std::vector<TokenId> tokens = RandomTokens(config, 40, 5);
  const OracleResult want = Oracle::Create(config, source).value().Run(tokens);
  const std::vector<float> logits = RunModel(config, source, tokens);
  double squares = 0, errors = 0;
  for (size_t t = 0; t < tokens.size(); ++t) {
    for (size_t i = 0; i < config.vocab; ++i) {
      squares += std::pow(want.logits[t][i], 2);
      errors += std::pow(logits[t * config.vocab + i] - want.logits[t][i], 2);
    }
  }
  EXPECT_LT(std::sqrt(errors / squares), 0.03);
}

TEST(TransformerTest, WeightBytesAreTwoBitsAWeightAndOneEmbedding) {
  const ModelConfig config = SmallConfig();
  const uint64_t matrices = (2 * 256 * 256 + 2 * 64 * 256 + 3 * 384 * 256) / 4;
  const uint64_t norms = 4 * (3 * 256 + 384);
  const uint64_t embedding = 2 * 99 * 256, output_norm = 4 * 256;
  EXPECT_EQ(WeightBytes(config, {0, 5}), 5 * (matrices + norms) + embedding + output_norm);
  EXPECT_EQ(WeightBytes(config, {0, 2}), 2 * (matrices + norms) + embedding);
  EXPECT_EQ(WeightBytes(config, {2, 4}), 2 * (matrices + norms));
  EXPECT_EQ(WeightBytes(config, {4, 5}), matrices + norms + embedding + output_norm);
}

TEST(TransformerTest, RopeDigestTellsTablesApart) {
  const ModelConfig config = SmallConfig();
  ModelConfig other = config;
  other.rope_theta = 10001;
  EXPECT_EQ(RopeDigest(config), RopeDigest(config));
  EXPECT_NE(RopeDigest(config), RopeDigest(other));
  EXPECT_EQ(RopeDigest(config).size(), 64u);
}

class LoadTest : public ::testing::Test {
 protected:
  absl::Status Load(LayerRange range) {
    const auto loaded =
        Transformer::Load(config_, range, source_, ChooseKernels("portable").value(), pool_.get(),
                          [this](float share) { progress_.push_back(share); });
    return loaded.status();
  }

  const ModelConfig config_ = SmallConfig();
  RandomModel source_{config_, 1};
  std::unique_ptr<ThreadPool> pool_ = ThreadPool::Create({.threads = 2, .cpus = {}}).value();
  std::vector<float> progress_;
};

TEST_F(LoadTest, ReportsProgressUpToOne) {
  ASSERT_TRUE(Load({0, 5}).ok());
  EXPECT_TRUE(std::is_sorted(progress_.begin(), progress_.end()));
  EXPECT_EQ(progress_.back(), 1);
}

TEST_F(LoadTest, RefusesLayersTheModelLacks) {
  for (const LayerRange range : {LayerRange{0, 6}, LayerRange{3, 3}, LayerRange{4, 2}}) {
    EXPECT_EQ(Load(range).code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST_F(LoadTest, RefusesAMissingTensor) {
  source_.Erase("blk.3.ffn_up.weight");
  EXPECT_EQ(Load({0, 5}).code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(Load({0, 3}).ok()) << "layer 3 is another stage's";
}

TEST_F(LoadTest, RefusesAnotherShapeOrType) {
  source_.info("blk.0.attn_q.weight").shape = {256, 255};
  const absl::Status shape = Load({0, 1});
  EXPECT_EQ(shape.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(shape.message(), HasSubstr("found I2_S [256, 255], want a ternary type [256, 256]"));
  source_.info("token_embd.weight").type = TensorType::kF32;
  EXPECT_EQ(Load({4, 5}).code(), absl::StatusCode::kDataLoss);
}

TEST_F(LoadTest, RefusesTooFewBytes) {
  source_.data("blk.0.attn_q.weight").pop_back();
  EXPECT_EQ(Load({0, 1}).code(), absl::StatusCode::kDataLoss);
}

TEST_F(LoadTest, RefusesTheForbiddenCode) {
  source_.data("blk.0.ffn_down.weight")[100] = 0xFF;
  const absl::Status status = Load({0, 1});
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(status.message(), HasSubstr("blk.0.ffn_down.weight"));
}

TEST_F(LoadTest, RefusesNumbersThatAreNotFinite) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<uint8_t>& matrix = source_.data("blk.0.attn_k.weight");
  std::memcpy(matrix.data() + matrix.size() - 32, &nan, sizeof(nan));
  EXPECT_EQ(Load({0, 1}).code(), absl::StatusCode::kDataLoss);

  std::memcpy(source_.data("blk.1.ffn_norm.weight").data() + 40, &nan, sizeof(nan));
  EXPECT_EQ(Load({1, 2}).code(), absl::StatusCode::kDataLoss);

  std::vector<uint8_t>& embedding = source_.data("token_embd.weight");
  embedding[98 * 256 * 2 + 1] = 0x7C;  // infinity, where the low byte is 0, or NaN
  EXPECT_THAT(Load({4, 5}).message(), HasSubstr("row 98"));
}

class ForwardTest : public ::testing::Test {
 protected:
  absl::Status Forward(const std::vector<SequenceRows>& batch) {
    size_t rows = 0;
    for (const SequenceRows& entry : batch) rows += entry.rows;
    std::vector<float> hidden(rows * config_.dim, 0.5f);
    return model_->Forward(batch, cache_, hidden.data());
  }

  const ModelConfig config_ = SmallConfig();
  const RandomModel source_{config_, 1};
  std::unique_ptr<ThreadPool> pool_ = ThreadPool::Create({.threads = 1, .cpus = {}}).value();
  std::unique_ptr<Transformer> model_ =
      Transformer::Load(config_, {1, 2}, source_, ChooseKernels("portable").value(), pool_.get())
          .value();
  KvCache cache_ = KvCache::Create(config_, 1, 4, KvType::kF16).value();
  LocalPages pages_{4};
};

TEST_F(ForwardTest, ExtendsTheCaches) {
  ASSERT_TRUE(pages_.Reserve(cache_, 1, 6).ok());
  ASSERT_TRUE(pages_.Reserve(cache_, 2, 34).ok());
  ASSERT_TRUE(Forward({{1, 0, 5}, {2, 0, 33}}).ok());
  ASSERT_TRUE(Forward({{2, 33, 1}, {1, 5, 1}}).ok());
  EXPECT_EQ(cache_.length(1), 6u);
  EXPECT_EQ(cache_.length(2), 34u);
}

TEST_F(ForwardTest, RefusesAGapARepetitionAndNothing) {
  ASSERT_TRUE(pages_.Reserve(cache_, 1, 64).ok());
  ASSERT_TRUE(pages_.Reserve(cache_, 2, 32).ok());
  ASSERT_TRUE(Forward({{1, 0, 5}}).ok());
  const std::vector<std::vector<SequenceRows>> wrong = {
      {{1, 4, 1}},             // again
      {{1, 6, 1}},             // a gap
      {{2, 1, 1}},             // a new sequence begins at 0
      {{2, 0, 1}, {2, 0, 1}},  // twice
      {{2, 0, 1}, {1, 5, 0}},  // no rows
      {{1, 5, 124}},           // past the context
      {{1, 5, 4294967295u}},   // position + rows overflows 32 bits
  };
  for (const std::vector<SequenceRows>& batch : wrong) {
    std::vector<float> hidden(200 * config_.dim, 0.5f);
    EXPECT_EQ(model_->Forward(batch, cache_, hidden.data()).code(),
              absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(std::count(hidden.begin(), hidden.end(), 0.5f), 200 * config_.dim);
    EXPECT_EQ(cache_.length(1), 5u);
    EXPECT_EQ(cache_.length(2), 0u);
  }
}

TEST_F(ForwardTest, RowsWithoutAPageChangeNothing) {
  ASSERT_TRUE(pages_.Reserve(cache_, 1, 96).ok());
  ASSERT_TRUE(pages_.Reserve(cache_, 2, 32).ok());
  ASSERT_TRUE(Forward({{1, 0, 64}}).ok());
  EXPECT_EQ(Forward({{1, 64, 1}, {2, 0, 33}}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Forward({{3, 0, 1}}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(cache_.length(1), 64u);
  EXPECT_EQ(cache_.length(2), 0u);
  EXPECT_TRUE(Forward({{1, 64, 1}, {2, 0, 32}}).ok());
}

}  // namespace
}  // namespace tern
