// SPDX-License-Identifier: MIT
#include "partition/plan.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/weights.h"

namespace tern {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr uint64_t kGiB = uint64_t{1} << 30;

// BitNet-b1.58-2B-4T's shape, but for the layers.
ModelConfig Config(uint32_t layers) {
  ModelConfig config;
  config.architecture = "bitnet-b1.58";
  config.vocab = 128256;
  config.dim = 2560;
  config.ffn_dim = 6912;
  config.layers = layers;
  config.heads = 20;
  config.kv_heads = 5;
  config.head_dim = 128;
  config.context = 4096;
  config.rope_theta = 500000;
  config.norm_eps = 1e-5f;
  return config;
}

// A head that hardly counts.
ModelConfig SmallHead(uint32_t layers) {
  ModelConfig config = Config(layers);
  config.vocab = 512;
  return config;
}

std::vector<WorkerCapacity> Workers(const std::vector<double>& speeds,
                                    uint64_t memory_bytes = 64 * kGiB) {
  std::vector<WorkerCapacity> workers;
  for (const double speed : speeds) {
    workers.push_back({absl::StrCat("w", workers.size()), speed * 1e9, memory_bytes});
  }
  return workers;
}

std::vector<uint32_t> Sizes(const Plan& plan) {
  std::vector<uint32_t> sizes;
  for (const StagePlan& stage : plan.stages) sizes.push_back(stage.layers.size());
  return sizes;
}

// REQUIRES that there is a plan.
std::vector<uint32_t> SizesFor(const ModelConfig& config,
                               const std::vector<WorkerCapacity>& workers) {
  return Sizes(PlanBySpeed(config, workers, {}).value());
}

TEST(PlanTest, OneWorkerRunsEverything) {
  const absl::StatusOr<Plan> plan = PlanBySpeed(Config(30), Workers({1}), {});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(Sizes(*plan), ElementsAre(30));
  EXPECT_EQ(plan->kv_pages, 4096 / kKvPageTokens) << "the context at least";
}

TEST(PlanTest, EqualWorkersShareEvenly) {
  EXPECT_THAT(SizesFor(SmallHead(30), Workers({1, 1, 1})), ElementsAre(10, 10, 10));
  std::vector<uint32_t> sizes = SizesFor(SmallHead(10), Workers({1, 1, 1, 1}));
  std::sort(sizes.begin(), sizes.end());
  EXPECT_THAT(sizes, ElementsAre(2, 2, 3, 3)) << "not 1, 3, 3, 3, which is as fast";
}

TEST(PlanTest, LayersGoInProportionToSpeed) {
  EXPECT_THAT(SizesFor(SmallHead(30), Workers({1, 2, 3})), ElementsAre(5, 10, 15));
  EXPECT_THAT(SizesFor(SmallHead(30), Workers({3, 1, 2})), ElementsAre(15, 5, 10));
}

// The 128k-row head is 657 MB, as much as 37 of the layers: the last worker gets fewer of those.
TEST(PlanTest, TheHeadCountsAsTheLayersItCosts) {
  EXPECT_THAT(SizesFor(Config(30), Workers({1, 1})), ElementsAre(29, 1));
  EXPECT_THAT(SizesFor(Config(83), Workers({1, 1, 1})), ElementsAre(40, 40, 3));
}

TEST(PlanTest, TheSlowestAreLeftOutIfThereAreTooMany) {
  const absl::StatusOr<Plan> plan = PlanBySpeed(SmallHead(2), Workers({2, 1, 3}), {});
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_EQ(plan->stages.size(), 2);
  EXPECT_EQ(plan->stages[0].worker, 0);
  EXPECT_EQ(plan->stages[1].worker, 2);
}

TEST(PlanTest, MemoryMovesLayersToThoseWhoHaveRoom) {
  std::vector<WorkerCapacity> workers = Workers({1, 1});
  const ModelConfig config = SmallHead(20);
  const uint64_t five_layers = WeightBytes(config, {0, 5}) +
                               KvPagesFor(config.context) * KvPageBytes(config, 5, KvType::kF16);
  workers[0].memory_bytes = five_layers;
  PlanOptions options;
  options.memory_share = 1;
  absl::StatusOr<Plan> plan = PlanBySpeed(config, workers, options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(Sizes(*plan), ElementsAre(5, 15));
  workers[0].memory_bytes = five_layers - 1;
  plan = PlanBySpeed(config, workers, options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(Sizes(*plan), ElementsAre(4, 16));
}

TEST(PlanTest, NoRoomNamesTheWorkerAndTheBytes) {
  std::vector<WorkerCapacity> workers = Workers({1, 1});
  workers[1].memory_bytes = 1000;
  const absl::Status status = PlanBySpeed(SmallHead(20), workers, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("worker w1"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("found 900 to use"));
  const uint64_t need = WeightBytes(SmallHead(20), {10, 20}) +
                        KvPagesFor(4096) * KvPageBytes(SmallHead(20), 10, KvType::kF16);
  EXPECT_THAT(std::string(status.message()), HasSubstr(absl::StrCat("need ", need, " bytes")));
}

TEST(PlanTest, MoreKvCacheNeedsMoreRoom) {
  const std::vector<WorkerCapacity> workers = Workers({1}, 4 * kGiB);
  PlanOptions options;
  options.kv_tokens = 10000;
  const absl::StatusOr<Plan> plan = PlanBySpeed(Config(30), workers, options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->kv_pages, 313) << "10000 tokens in pages of 32";
  options.kv_tokens = 100000;
  EXPECT_EQ(PlanBySpeed(Config(30), workers, options).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(PlanTest, RefusesWhatIsNoSpeed) {
  EXPECT_EQ(PlanBySpeed(Config(30), {}, {}).status().code(), absl::StatusCode::kInvalidArgument);
  for (const double speed : {0.0, -1.0, std::numeric_limits<double>::infinity(),
                             std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_EQ(PlanBySpeed(Config(30), Workers({1, speed}), {}).status().code(),
              absl::StatusCode::kInvalidArgument)
        << speed;
  }
}

// Seconds of the slowest stage, up to a common factor.
double Pace(const ModelConfig& config, const std::vector<WorkerCapacity>& workers,
            const std::vector<uint32_t>& sizes) {
  double layer = 0;
  for (const TensorSpec& tensor : LayerTensors(config, 0)) {
    layer += double(LoadedBytes(config, tensor));
  }
  double pace = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    double read = layer * sizes[i];
    if (i == 0) read += double(config.dim * 2);
    if (i + 1 == sizes.size()) {
      read += double(LoadedBytes(config, HeadTensor(config)) +
                     LoadedBytes(config, OutputNormTensor(config)));
    }
    pace = std::max(pace, read / workers[i].weights_per_second);
  }
  return pace;
}

// Calls `visit` with every way to write `layers` as `stages` positive numbers.
void ForEachCut(uint32_t layers, size_t stages, std::vector<uint32_t>& sizes,
                const std::function<void()>& visit) {
  if (sizes.size() + 1 == stages) {
    sizes.push_back(layers);
    visit();
    sizes.pop_back();
    return;
  }
  for (uint32_t size = 1; size + (stages - sizes.size() - 1) <= layers; ++size) {
    sizes.push_back(size);
    ForEachCut(layers - size, stages, sizes, visit);
    sizes.pop_back();
  }
}

TEST(PlanTest, RandomPlansCoverEveryLayerOnceAndNoCutIsFaster) {
  constexpr unsigned kSeed = 3;
  std::mt19937 rng(kSeed);
  for (int round = 0; round < 300; ++round) {
    SCOPED_TRACE(absl::StrCat("seed ", kSeed, " round ", round));
    const ModelConfig config = rng() % 2 == 0 ? Config(1 + rng() % 12) : SmallHead(1 + rng() % 12);
    std::vector<double> speeds(1 + rng() % std::min(config.layers, 5u));
    for (double& speed : speeds) speed = 0.1 + static_cast<double>(rng() % 1000) / 100;
    const std::vector<WorkerCapacity> workers = Workers(speeds);
    const absl::StatusOr<Plan> plan = PlanBySpeed(config, workers, {});
    ASSERT_TRUE(plan.ok()) << plan.status();
    ASSERT_EQ(plan->stages.size(), workers.size());
    uint32_t next = 0;
    for (size_t i = 0; i < plan->stages.size(); ++i) {
      EXPECT_EQ(plan->stages[i].worker, i);
      EXPECT_EQ(plan->stages[i].layers.begin, next);
      EXPECT_GT(plan->stages[i].layers.size(), 0);
      next = plan->stages[i].layers.end;
    }
    EXPECT_EQ(next, config.layers);
    const double pace = Pace(config, workers, Sizes(*plan));
    std::vector<uint32_t> sizes;
    ForEachCut(config.layers, workers.size(), sizes,
               [&] { EXPECT_LE(pace, Pace(config, workers, sizes) * (1 + 1e-12)); });
  }
}

}  // namespace
}  // namespace tern
