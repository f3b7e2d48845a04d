// SPDX-License-Identifier: MIT
#include "partition/planner.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/partition/random_cluster.h"

namespace tern {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Every worker gets a stage, judged by one row at a time.
PlanOptions AllOfThem() {
  PlanOptions options;
  options.use_all = true;
  options.streams = 1;
  options.cached_tokens = 0;
  return options;
}

absl::StatusOr<Plan> PlanFor(const ModelConfig& config, const ClusterProfile& cluster,
                             const PlanOptions& options) {
  const absl::StatusOr<CostModel> costs = CostModel::Create(config, cluster, options);
  if (!costs.ok()) return costs.status();
  return MakePlan(*costs);
}

std::vector<uint32_t> Sizes(const Plan& plan) {
  std::vector<uint32_t> sizes;
  for (const StagePlan& stage : plan.stages) sizes.push_back(stage.layers.size());
  return sizes;
}

// REQUIRES that there is a plan.
std::vector<uint32_t> SizesFor(const ModelConfig& config, const ClusterProfile& cluster,
                               double prompt_ratio = 0) {
  PlanOptions options = AllOfThem();
  options.prompt_ratio = prompt_ratio;
  return Sizes(PlanFor(config, cluster, options).value());
}

TEST(PlannerTest, OneWorkerRunsEverything) {
  const absl::StatusOr<Plan> plan = PlanFor(BitNet2B(30), ClusterOf({1}), AllOfThem());
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(Sizes(*plan), ElementsAre(30));
  EXPECT_EQ(plan->kv_pages, 4096 / kKvPageTokens) << "the context at least";
}

TEST(PlannerTest, EqualWorkersShareEvenly) {
  EXPECT_THAT(SizesFor(SmallHead(30), ClusterOf({1, 1, 1})), ElementsAre(10, 10, 10));
  std::vector<uint32_t> sizes = SizesFor(SmallHead(10), ClusterOf({1, 1, 1, 1}));
  std::sort(sizes.begin(), sizes.end());
  EXPECT_THAT(sizes, ElementsAre(2, 2, 3, 3)) << "not 1, 3, 3, 3, which is as fast";
}

TEST(PlannerTest, LayersGoInProportionToSpeed) {
  EXPECT_THAT(SizesFor(SmallHead(30), ClusterOf({1, 2, 3})), ElementsAre(5, 10, 15));
  EXPECT_THAT(SizesFor(SmallHead(30), ClusterOf({3, 1, 2})), ElementsAre(15, 5, 10))
      << "in the given order, which is as good as any";
}

// The screen of the 128k-row head is 328 MB, as much as 19 of the layers to read: the last worker
// gets fewer. Rows of prompts need no head: the more of them, the more even is the cut.
TEST(PlannerTest, TheHeadCountsAsTheLayersItCosts) {
  EXPECT_THAT(SizesFor(BitNet2B(30), ClusterOf({1, 1}), 4), ElementsAre(21, 9));
  EXPECT_THAT(SizesFor(BitNet2B(30), ClusterOf({1, 1})), ElementsAre(24, 6));
  EXPECT_THAT(SizesFor(BitNet2B(83), ClusterOf({1, 1, 1})), ElementsAre(34, 34, 15));
}

TEST(PlannerTest, TheSlowestAreLeftOutIfThereAreTooMany) {
  const absl::StatusOr<Plan> plan = PlanFor(SmallHead(2), ClusterOf({2, 1, 3}), AllOfThem());
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_EQ(plan->stages.size(), 2);
  EXPECT_NE(plan->stages[0].worker, 1);
  EXPECT_NE(plan->stages[1].worker, 1);
}

// By a slow path between the first two.
TEST(PlannerTest, AnOrderThatIsClearlyBetterReplacesTheGivenOne) {
  ClusterProfile cluster = ClusterOf({1, 1, 1});
  cluster.pairs = {{0, 1, {1e4, 0}}};
  const absl::StatusOr<Plan> plan = PlanFor(SmallHead(30), cluster, AllOfThem());
  ASSERT_TRUE(plan.ok()) << plan.status();
  for (size_t stage = 1; stage < plan->stages.size(); ++stage) {
    EXPECT_FALSE(plan->stages[stage - 1].worker == 0 && plan->stages[stage].worker == 1);
  }
}

TEST(PlannerTest, MemoryMovesLayersToThoseWhoHaveRoom) {
  ClusterProfile cluster = ClusterOf({1, 1});
  const ModelConfig config = SmallHead(20);
  const uint64_t five_layers = WeightBytes(config, {0, 5}) +
                               KvPagesFor(config.context) * KvPageBytes(config, 5, KvType::kF16);
  cluster.workers[0].memory_bytes = five_layers;
  PlanOptions options = AllOfThem();
  options.memory_share = 1;
  absl::StatusOr<Plan> plan = PlanFor(config, cluster, options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(Sizes(*plan), ElementsAre(5, 15));
  cluster.workers[0].memory_bytes = five_layers - 1;
  plan = PlanFor(config, cluster, options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(Sizes(*plan), ElementsAre(4, 16));
}

TEST(PlannerTest, NoRoomSaysWhatIsNeededAndWhatThereIs) {
  PlanOptions options;
  options.kv_tokens = 1 << 20;
  const absl::Status status = PlanFor(BitNet2B(30), ClusterOf({1, 1}, 10 * kGiB), options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("weights need 1.4 GiB and the KV cache of 1048576 tokens 75.0 GiB, "
                        "together 76.4 GiB; found 18.0 GiB to use on 2 workers (90 % of their "
                        "memory)"));
}

TEST(PlannerTest, NoRoomInSmallPiecesSaysSo) {
  const std::vector<double> speeds(40, 1.0);
  const absl::Status status =
      PlanFor(SmallHead(30), ClusterOf(speeds, kGiB / 32), PlanOptions()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("in pieces that no cut fits"));
}

TEST(PlannerTest, AThroughputOutOfReachNamesWhatIsWithinReach) {
  PlanOptions options;
  options.objective = Objective::kLatency;
  options.min_tokens_per_second = 1e6;
  const absl::Status status = PlanFor(SmallHead(30), ClusterOf({1, 1}), options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("from 8 streams, want 1e+06"));
}

TEST(PlannerTest, MoreKvCacheNeedsMoreRoom) {
  const ClusterProfile cluster = ClusterOf({1}, 4 * kGiB);
  PlanOptions options;
  options.kv_tokens = 10000;
  const absl::StatusOr<Plan> plan = PlanFor(BitNet2B(30), cluster, options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->kv_pages, 313) << "10000 tokens in pages of 32";
  options.kv_tokens = 100000;
  EXPECT_EQ(PlanFor(BitNet2B(30), cluster, options).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(PlannerTest, RefusesWhatIsNoSpeed) {
  const auto code = [](const ClusterProfile& cluster) {
    return PlanFor(BitNet2B(30), cluster, {}).status().code();
  };
  EXPECT_EQ(code({}), absl::StatusCode::kInvalidArgument);
  for (const double wrong : {0.0, -1.0, std::numeric_limits<double>::infinity(),
                             std::numeric_limits<double>::quiet_NaN()}) {
    ClusterProfile cluster = ClusterOf({1, 1});
    cluster.workers[1].speed.ternary.seconds[2] = wrong;
    EXPECT_EQ(code(cluster), absl::StatusCode::kInvalidArgument) << wrong;
    cluster = ClusterOf({1, 1});
    cluster.workers[1].link.bytes_per_second = wrong;
    EXPECT_EQ(code(cluster), absl::StatusCode::kInvalidArgument) << wrong;
  }
  ClusterProfile cluster = ClusterOf({1, 1});
  cluster.pairs = {{0, 2, FastLink()}};
  EXPECT_EQ(code(cluster), absl::StatusCode::kInvalidArgument);
}

// Layers [0, layers) once each, no worker twice, everything fits.
void ExpectSound(const CostModel& costs, const Plan& plan) {
  uint32_t next = 0;
  std::vector<bool> used(costs.workers().size());
  for (const StagePlan& stage : plan.stages) {
    ASSERT_LT(stage.worker, used.size());
    EXPECT_FALSE(used[stage.worker]);
    used[stage.worker] = true;
    EXPECT_EQ(stage.layers.begin, next);
    EXPECT_GT(stage.layers.size(), 0);
    EXPECT_LE(costs.HeldBytes(stage.layers), costs.UsableBytes(stage.worker));
    next = stage.layers.end;
  }
  EXPECT_EQ(next, costs.config().layers);
}

// The objective, written again from its definition.
double ScoreOf(const CostModel& costs, const std::vector<StagePlan>& stages) {
  const PlanOptions& options = costs.options();
  const auto count = static_cast<double>(stages.size());
  const double rows = std::ceil(options.streams / count);
  const double prompt_rows = std::round(rows * options.prompt_ratio);
  StepShape loaded = costs.DecodeStep(static_cast<uint64_t>(rows));
  if (prompt_rows > 0) {
    costs.AddRows(std::min(options.cached_tokens, costs.config().context - 1) / 2,
                  static_cast<uint64_t>(prompt_rows), 0, loaded);
  }
  double slowest = 0, slowest_decode = 0, sum = 0;
  for (size_t i = 0; i < stages.size(); ++i) {
    const auto [worker, layers] = stages[i];
    if (!costs.Fits(worker, layers)) return std::numeric_limits<double>::infinity();
    const auto seconds = [&](const StepShape& step) {
      return costs.Seconds(costs.Price(worker, step), layers);
    };
    slowest = std::max(slowest, seconds(loaded));
    slowest_decode =
        std::max(slowest_decode, seconds(costs.DecodeStep(static_cast<uint64_t>(rows))));
    if (i > 0) {
      const LinkSpeed path = costs.Path(stages[i - 1].worker, worker);
      const double row = 4.0 * costs.config().dim / path.bytes_per_second;
      slowest = std::max(slowest, (rows + prompt_rows) * row);
      slowest_decode = std::max(slowest_decode, rows * row);
      sum += path.latency_seconds + row;
    }
    sum += seconds(costs.DecodeStep(1));
  }
  const double per_stream = count / options.streams;
  if (options.min_tokens_per_second > 0 &&
      slowest_decode * per_stream > 1 / options.min_tokens_per_second) {
    return std::numeric_limits<double>::infinity();
  }
  return options.objective == Objective::kThroughput ? slowest * per_stream : sum;
}

// The least score of all ways to go on from `stages`, which cover [0, begin).
double BruteForce(const CostModel& costs, std::vector<StagePlan>& stages, uint32_t begin) {
  const uint32_t layers = costs.config().layers;
  if (begin == layers) return ScoreOf(costs, stages);
  double best = std::numeric_limits<double>::infinity();
  for (size_t worker = 0; worker < costs.workers().size(); ++worker) {
    if (std::any_of(stages.begin(), stages.end(),
                    [&](const StagePlan& stage) { return stage.worker == worker; })) {
      continue;
    }
    for (uint32_t end = begin + 1; end <= layers; ++end) {
      stages.push_back({worker, {begin, end}});
      best = std::min(best, BruteForce(costs, stages, end));
      stages.pop_back();
    }
  }
  return best;
}

struct Instance {
  ModelConfig config;
  ClusterProfile cluster;
  PlanOptions options;
};

Instance RandomInstance(std::mt19937& rng, uint32_t most_layers, size_t most_workers) {
  Instance instance;
  instance.config = RandomShape(rng, most_layers);
  instance.cluster = RandomCluster(rng, instance.config, 1 + rng() % most_workers);
  instance.options.streams = 1 + rng() % 20;
  instance.options.cached_tokens = rng() % 300;
  instance.options.prompt_ratio = static_cast<double>(rng() % 3) * 1.5;
  return instance;
}

enum class Goal { kThroughput, kLatency, kLatencyWithThroughput };

void ExpectAsGoodAsBruteForce(Goal goal) {
  constexpr unsigned kSeed = 20240227;
  std::mt19937 rng(kSeed);
  int possible = 0;
  for (int round = 0; round < 10'000; ++round) {
    SCOPED_TRACE(absl::StrCat("seed ", kSeed, " round ", round));
    Instance instance = RandomInstance(rng, 6, 5);
    std::vector<StagePlan> stages;
    if (goal == Goal::kLatencyWithThroughput) {
      const CostModel costs =
          CostModel::Create(instance.config, instance.cluster, instance.options).value();
      const double reachable = 1 / BruteForce(costs, stages, 0);
      instance.options.min_tokens_per_second = reachable * Uniform(rng, 0.1, 1.1);
    }
    if (goal != Goal::kThroughput) instance.options.objective = Objective::kLatency;
    const CostModel costs =
        CostModel::Create(instance.config, instance.cluster, instance.options).value();
    const double best = BruteForce(costs, stages, 0);
    const absl::StatusOr<Plan> plan = MakePlan(costs);
    if (best == std::numeric_limits<double>::infinity()) {
      ASSERT_EQ(plan.status().code(), absl::StatusCode::kResourceExhausted);
      continue;
    }
    ++possible;
    ASSERT_TRUE(plan.ok()) << plan.status();
    ExpectSound(costs, *plan);
    ASSERT_NEAR(ScoreOf(costs, plan->stages) / best, 1, 1e-12);
  }
  EXPECT_GT(possible, 3000) << "instances that have a plan";
  EXPECT_LT(possible, 10'000) << "and some that have none";
}

TEST(PlannerPropertyTest, ThroughputEqualsBruteForce) {
  ExpectAsGoodAsBruteForce(Goal::kThroughput);
}
TEST(PlannerPropertyTest, LatencyEqualsBruteForce) { ExpectAsGoodAsBruteForce(Goal::kLatency); }
TEST(PlannerPropertyTest, LatencyWithThroughputEqualsBruteForce) {
  ExpectAsGoodAsBruteForce(Goal::kLatencyWithThroughput);
}

TEST(PlannerPropertyTest, MoreMemoryIsNeverWorse) {
  constexpr unsigned kSeed = 7;
  std::mt19937 rng(kSeed);
  int better = 0;
  for (int round = 0; round < 1000; ++round) {
    SCOPED_TRACE(absl::StrCat("seed ", kSeed, " round ", round));
    Instance instance = RandomInstance(rng, 12, 6);
    if (rng() % 2 == 0) instance.options.objective = Objective::kLatency;
    const CostModel small =
        CostModel::Create(instance.config, instance.cluster, instance.options).value();
    const absl::StatusOr<Plan> before = MakePlan(small);
    WorkerProfile& worker = instance.cluster.workers[rng() % instance.cluster.workers.size()];
    worker.memory_bytes += worker.memory_bytes / (1 + rng() % 4);
    const CostModel large =
        CostModel::Create(instance.config, instance.cluster, instance.options).value();
    const absl::StatusOr<Plan> after = MakePlan(large);
    if (!before.ok()) continue;
    ASSERT_TRUE(after.ok()) << after.status();
    const double score_before = ScoreOf(small, before->stages);
    const double score_after = ScoreOf(large, after->stages);
    EXPECT_LE(score_after, score_before * (1 + 1e-12));
    if (score_after < score_before * 0.99) ++better;
  }
  EXPECT_GT(better, 20) << "memory mattered now and then";
}

// Layers in proportion to memory, as programs share them out that know nothing of speed.
std::vector<StagePlan> SplitByMemory(const CostModel& costs) {
  const uint32_t layers = costs.config().layers;
  double all = 0, before = 0;
  for (const WorkerProfile& worker : costs.workers()) all += double(worker.memory_bytes);
  std::vector<StagePlan> stages;
  uint32_t begin = 0;
  for (size_t worker = 0; worker < costs.workers().size(); ++worker) {
    before += double(costs.workers()[worker].memory_bytes);
    const auto end = static_cast<uint32_t>(std::lround(layers * before / all));
    if (end > begin) stages.push_back({worker, {begin, end}});
    begin = std::max(begin, end);
  }
  return stages;
}

TEST(PlannerPropertyTest, BeatsASplitByMemoryOnSkewedWorkers) {
  std::mt19937 rng(11);
  for (int round = 0; round < 200; ++round) {
    SCOPED_TRACE(absl::StrCat("round ", round));
    // Old boxes with much memory beside new ones with little.
    ClusterProfile cluster;
    const size_t workers = 2 + rng() % 6;
    for (size_t i = 0; i < workers; ++i) {
      const bool is_new = i % 2 == 1;
      cluster.workers.push_back(
          {absl::StrCat("w", i), static_cast<uint64_t>(is_new ? 8 : 32) * kGiB,
           SpeedOf(is_new ? Uniform(rng, 20e9, 40e9) : Uniform(rng, 5e9, 10e9)), FastLink()});
    }
    std::shuffle(cluster.workers.begin(), cluster.workers.end(), rng);
    PlanOptions options;
    options.use_all = true;
    options.streams = 16;
    const CostModel costs = CostModel::Create(SmallHead(60), cluster, options).value();
    const absl::StatusOr<Plan> plan = MakePlan(costs);
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_GE(ScoreOf(costs, SplitByMemory(costs)), 1.3 * ScoreOf(costs, plan->stages));
  }
}

// More kinds of workers than the exact search takes.
TEST(PlannerPropertyTest, ManyWorkersGetASoundPlan) {
  std::mt19937 rng(5);
  int possible = 0;
  for (int round = 0; round < 10; ++round) {
    SCOPED_TRACE(absl::StrCat("round ", round));
    const ModelConfig config = RandomShape(rng, 40);
    PlanOptions options;
    options.streams = 1 + rng() % 64;
    if (round % 2 == 0) options.objective = Objective::kLatency;
    const CostModel costs =
        CostModel::Create(config, RandomCluster(rng, config, 20 + rng() % 20), options).value();
    const absl::StatusOr<Plan> plan = MakePlan(costs);
    ASSERT_TRUE(plan.ok()) << plan.status();
    ++possible;
    ExpectSound(costs, *plan);
  }
  EXPECT_EQ(possible, 10);
}

}  // namespace
}  // namespace tern
