// SPDX-License-Identifier: MIT
#include "model/cost.h"

#include <gtest/gtest.h>

#include "model/transformer.h"
#include "tests/support/random_model.h"

namespace tern {
namespace {

StageCost Cost(const ModelConfig& config, LayerRange range) {
  const auto pool = ThreadPool::Create({.threads = 1, .cpus = {}}).value();
  const RandomModel source(config, 1);
  return Transformer::Load(config, range, source, ChooseKernels().value(), pool.get())
      .value()
      ->Cost();
}

TEST(CostTest, IsTheSumOfWhatIsThere) {
  const ModelConfig config = SmallConfig();
  const StageCost cost = Cost(config, {0, config.layers});
  const uint64_t dim = config.dim, kv = config.kv_dim(), ffn = config.ffn_dim;
  const uint64_t weights = dim * dim + 2 * kv * dim + dim * dim + 3 * dim * ffn;
  EXPECT_EQ(cost.weights, config.layers * weights);
  EXPECT_EQ(cost.macs_per_row, cost.weights);
  EXPECT_EQ(cost.weight_bytes, cost.weights / 4);  // two bits each; no padding in this shape
  ASSERT_EQ(cost.kernels.size(), 4u);              // q and output, k and v, gate and up, down
  EXPECT_EQ(cost.kernels[1].rfind("64x256: gemv_t2r16_", 0), 0u);
  EXPECT_EQ(cost.head_bytes, uint64_t{config.vocab} * dim * 2);
  EXPECT_EQ(cost.head, "F16, full");
}

TEST(CostTest, OnlyTheLastStageHasAHead) {
  const ModelConfig config = SmallConfig();
  const StageCost first = Cost(config, {0, 2});
  EXPECT_EQ(first.head_bytes, 0u);
  EXPECT_EQ(first.head, "");
  const StageCost last = Cost(config, {2, 5});
  EXPECT_GT(last.head_bytes, 0u);
  EXPECT_EQ(first.weights * 3, last.weights * 2);
}

// One scale for 64 columns, and three digits of every activation.
TEST(CostTest, GroupsHaveScalesAndDigits) {
  ModelConfig config = SmallConfig();
  config.activation_bits = ActivationBits::k22;
  config.group_cols = kGroupCols;
  const StageCost cost = Cost(config, {0, 5});
  EXPECT_EQ(cost.macs_per_row, 3 * cost.weights);
  EXPECT_EQ(cost.weight_bytes, cost.weights / 4 + cost.weights / 64 * 4);
}

TEST(CostTest, KeysAndValuesOfAWindow) {
  ModelConfig config = SmallConfig();
  const uint64_t token_bytes = 2 * config.kv_dim() * 2;  // keys and values, two bytes each
  EXPECT_EQ(KvBytesRead(config, 5, KvType::kF16, 0), 5 * token_bytes);
  EXPECT_EQ(KvBytesRead(config, 5, KvType::kF32, 9), 5 * 10 * 2 * token_bytes);
  config.sliding_window = 4;
  config.sliding_pattern = 3;  // layer 2 of 0..4 attends to everything
  EXPECT_EQ(KvBytesRead(config, 5, KvType::kF16, 9), (4 * 4 + 10) * token_bytes);
}

}  // namespace
}  // namespace tern
