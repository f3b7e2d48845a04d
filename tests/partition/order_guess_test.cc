// SPDX-License-Identifier: MIT
#include "partition/order_guess.h"

#include <random>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/partition/random_cluster.h"

namespace tern {
namespace {

// Where the exact search can tell how good a guess is.
TEST(OrderGuessTest, IsNeverBetterAndSeldomMuchWorseThanTheExactSearch) {
  constexpr unsigned kSeed = 17;
  std::mt19937 rng(kSeed);
  int compared = 0;
  double sum = 0;
  for (int round = 0; round < 200; ++round) {
    SCOPED_TRACE(absl::StrCat("seed ", kSeed, " round ", round));
    const ModelConfig config = RandomShape(rng, 24);
    PlanOptions options;
    if (rng() % 2 == 0) options.objective = Objective::kLatency;
    const CostModel costs =
        CostModel::Create(config, RandomCluster(rng, config, 8), options).value();
    const std::vector<WorkerKind> kinds = FindKinds(costs);
    const uint32_t stages = 1 + rng() % std::min(config.layers, 8u);
    const Prices prices(costs, stages);
    const auto exact = SearchOrders(costs, kinds, prices, stages, kImpossible);
    const auto guess = GuessOrder(costs, kinds, prices, stages, kImpossible, 1000);
    ASSERT_TRUE(exact.has_value() || !guess.has_value());
    if (!guess.has_value()) continue;
    const double ratio = guess->folded / exact->folded;
    EXPECT_GE(ratio, 1 - 1e-12);
    sum += ratio;
    ++compared;
  }
  ASSERT_GT(compared, 100);
  EXPECT_LT(sum / compared, 1.02);
}

TEST(OrderGuessTest, IsTheSameEveryTime) {
  std::mt19937 rng(3);
  const ModelConfig config = SmallHead(40);
  const CostModel costs = CostModel::Create(config, RandomCluster(rng, config, 30), {}).value();
  const std::vector<WorkerKind> kinds = FindKinds(costs);
  const Prices prices(costs, 10);
  const auto once = GuessOrder(costs, kinds, prices, 10, kImpossible, 500);
  const auto again = GuessOrder(costs, kinds, prices, 10, kImpossible, 500);
  ASSERT_TRUE(once.has_value() && again.has_value());
  EXPECT_EQ(once->stages, again->stages);
}

}  // namespace
}  // namespace tern
