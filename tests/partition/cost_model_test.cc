// SPDX-License-Identifier: MIT
#include "partition/cost_model.h"

#include "gtest/gtest.h"
#include "model/weights.h"
#include "tests/partition/random_cluster.h"

namespace tern {
namespace {

CostModel CostsOf(const ModelConfig& config, const PlanOptions& options = {}) {
  return CostModel::Create(config, ClusterOf({1}), options).value();
}

TEST(RowSecondsTest, AreLinearBetweenMeasuredRows) {
  const RowSeconds times = {{1, 2, 9, 80}};
  EXPECT_EQ(times.For(0), 0);
  EXPECT_EQ(times.For(1), 1);
  EXPECT_EQ(times.For(8), 2);
  EXPECT_DOUBLE_EQ(times.For(4.5), 1.5);
  EXPECT_EQ(times.For(36), 5.5);
  EXPECT_EQ(times.For(512), 80);
  EXPECT_EQ(times.For(1024), 160);
}

TEST(CostModelTest, MemoryIsThatOfLoadedWeightsAndAllPages) {
  for (const bool tied : {true, false}) {
    ModelConfig config = BitNet2B(5);
    config.tied_head = tied;
    PlanOptions options;
    options.kv_tokens = 3 * 4096;
    const CostModel costs = CostsOf(config, options);
    EXPECT_EQ(costs.kv_pages(), 3 * 4096 / kKvPageTokens);
    for (uint32_t begin = 0; begin < 5; ++begin) {
      for (uint32_t end = begin + 1; end <= 5; ++end) {
        EXPECT_EQ(costs.WeightBytes({begin, end}), WeightBytes(config, {begin, end}));
        EXPECT_EQ(costs.KvBytes({begin, end}),
                  costs.kv_pages() * KvPageBytes(config, end - begin, KvType::kF16));
      }
    }
    EXPECT_NEAR(static_cast<double>(costs.UsableBytes(0)), 0.9 * 64 * kGiB, 1);
  }
}

TEST(CostModelTest, KeysAreCountedRowByRow) {
  ModelConfig config = BitNet2B(6);
  config.sliding_window = 100;
  config.sliding_pattern = 3;
  const CostModel costs = CostsOf(config);
  for (const uint64_t position : {0, 50, 99, 100, 3000}) {
    for (const uint64_t rows : {1, 2, 80, 500}) {
      StepShape step;
      costs.AddRows(position, rows, 1, step);
      uint64_t all = 0, window = 0;
      for (uint64_t row = 0; row < rows; ++row) {
        all += position + row + 1;
        window += std::min<uint64_t>(position + row + 1, 100);
      }
      EXPECT_EQ(step.attended, all);
      EXPECT_EQ(step.attended_window, window);
      EXPECT_EQ(step.cached, position + rows);
    }
  }
}

TEST(CostModelTest, AStageIsTheSumOfItsParts) {
  ModelConfig config = BitNet2B(6);
  config.sliding_window = 100;
  config.sliding_pattern = 3;
  const CostModel costs = CostsOf(config);
  StepShape step;
  costs.AddRows(2000, 1, 1, step);
  const PartSeconds parts = costs.Price(0, step);
  EXPECT_GT(parts.global_layer, parts.local_layer);
  EXPECT_DOUBLE_EQ(costs.Seconds(parts, {1, 4}), parts.global_layer + 2 * parts.local_layer)
      << "the third of every three attends to everything";
  EXPECT_DOUBLE_EQ(costs.Seconds(parts, {0, 6}),
                   costs.Seconds(parts, {1, 4}) * 2 + parts.embedding + parts.head);
  StepShape unsampled;
  costs.AddRows(2000, 1, 0, unsampled);
  EXPECT_EQ(costs.Price(0, unsampled).head, 0);
}

TEST(CostModelTest, WideActivationsCostThreeTimesTheProducts) {
  ModelConfig config = BitNet2B(6);
  const CostModel narrow = CostsOf(config);
  config.activation_bits = ActivationBits::k22;
  config.group_cols = kGroupCols;
  const CostModel wide = CostsOf(config);
  StepShape step;
  narrow.AddRows(0, 171, 0, step);
  StepShape thrice = step;
  thrice.rows *= 3;
  EXPECT_EQ(wide.Price(0, step).global_layer, narrow.Price(0, thrice).global_layer);
}

TEST(CostModelTest, AttentionCostsWhatItTakesOverTheCacheOfThePlan) {
  ClusterProfile cluster = ClusterOf({1});
  cluster.workers[0].speed.attention = 8;
  cluster.workers[0].speed.attention_q8 = 2;
  cluster.workers[0].speed.read_bytes_per_second = 1e18;  // memory sets no time
  const auto seconds = [&](KvType type, uint64_t position) {
    const CostModel costs = CostModel::Create(SmallHead(3), cluster, {.kv_type = type}).value();
    StepShape step;
    costs.AddRows(position, 1, 0, step);
    return costs.Price(0, step).global_layer;
  };
  const double floats = seconds(KvType::kF16, 1000) - seconds(KvType::kF16, 0);
  const double q8 = seconds(KvType::kQ8, 1000) - seconds(KvType::kQ8, 0);
  EXPECT_NEAR(floats / q8, 4, 1e-9);
}

TEST(CostModelTest, PathsTakeTheWeakerEndUnlessAPairHasItsOwn) {
  ClusterProfile cluster = ClusterOf({1, 1, 1});
  cluster.workers[0].link = {1e9, 1e-3};
  cluster.workers[1].link = {2e9, 2e-3};
  cluster.pairs = {{1, 2, {5, 6}}};
  const CostModel costs = CostModel::Create(SmallHead(3), cluster, {}).value();
  EXPECT_EQ(costs.Path(0, 1), (LinkSpeed{1e9, 2e-3}));
  EXPECT_EQ(costs.Path(1, 0), (LinkSpeed{1e9, 2e-3}));
  EXPECT_EQ(costs.Path(1, 2), (LinkSpeed{5, 6}));
  EXPECT_EQ(costs.Path(2, 1), (LinkSpeed{2e9, 2e-3}));
  EXPECT_EQ(costs.LinkBytes(3), 3 * 2560 * 4);
}

}  // namespace
}  // namespace tern
