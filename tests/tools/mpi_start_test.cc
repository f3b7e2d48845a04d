// SPDX-License-Identifier: MIT
// What the ranks of an MPI job decide from what they know of each other. The job itself is
// tools/mpi.
#include <string>
#include <vector>

#include "cluster/poll_backoff.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/mpi_plan.h"
#include "tools/mpi_ranks.h"
#include "tools/mpi_report.h"
#include "tools/mpi_speed.h"

namespace tern {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

RankInfo Rank(const std::string& machine = "m", const std::string& cpus = "0-3") {
  RankInfo info;
  info.build = "1";
  info.protocol = 4;
  info.model = "aa";
  info.rope = "bb";
  info.hostname = "host-" + machine;
  info.machine = machine;
  info.network = "1";
  info.cpus = cpus;
  return info;
}

TEST(MpiRanksTest, TheOddRankIsNamed) {
  std::vector<RankInfo> ranks(4, Rank());
  EXPECT_TRUE(CheckAlike(ranks).ok());
  ranks[2] = Rank("other");
  ranks[2].model = "cc";
  const absl::Status status = CheckAlike(ranks);
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_EQ(status.message(),
            "rank 2 on host-other: model: found cc, want aa as 3 of 4 ranks have");
  ranks[2].model = "aa";
  ranks[0].protocol = 3;
  EXPECT_THAT(CheckAlike(ranks).message(), HasSubstr("rank 0 on host-m: protocol: found 3"));
}

TEST(MpiRanksTest, SurvivesItsLetter) {
  const auto decoded = DecodeRanks({Encode(Rank("x", "1,5"))});
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ((*decoded)[0].cpus, "1,5");
  EXPECT_EQ((*decoded)[0].protocol, 4u);
  EXPECT_FALSE(DecodeRanks({"{}"}).ok());
  EXPECT_FALSE(DecodeRanks({"no"}).ok());
}

TEST(MpiRanksTest, RanksOfAMachineShareProcessorsUnlessBoundApart) {
  const std::vector<RankInfo> ranks = {Rank("a"),        Rank("b"),        Rank("a"),
                                       Rank("b", "0-1"), Rank("b", "2-3"), Rank("a")};
  EXPECT_EQ(ShareOf(ranks, 2).part, 1u);
  EXPECT_EQ(ShareOf(ranks, 2).parts, 3u);
  EXPECT_EQ(ShareOf(ranks, 4).part, 0u);
  EXPECT_EQ(ShareOf(ranks, 4).parts, 1u);
  EXPECT_THAT(HostNumbers(ranks), ElementsAre(0, 1, 0, 1, 1, 0));
  std::vector<RankInfo> apart = {Rank("a"), Rank("a")};
  apart[1].network = "2";
  EXPECT_THAT(HostNumbers(apart), ElementsAre(0, 1));
}

TEST(MpiRanksTest, WarnsOfABindingThatStarves) {
  EXPECT_THAT(BindingWarning(1, 8, 4), HasSubstr("--bind-to none"));
  EXPECT_EQ(BindingWarning(2, 8, 4), "");  // bound, but to a fair share
  EXPECT_EQ(BindingWarning(1, 2, 4), "");  // more ranks than processors
  EXPECT_EQ(BindingWarning(8, 0, 1), "");  // nothing is known of the launcher
}

ModelConfig SmallConfig() {
  ModelConfig config;
  config.architecture = "bitnet-b1.58";
  config.sub_norms = true;
  config.vocab = 1024;
  config.dim = 256;
  config.ffn_dim = 512;
  config.layers = 4;
  config.heads = 4;
  config.kv_heads = 2;
  config.head_dim = 64;
  config.context = 256;
  config.rope_theta = 10000;
  config.norm_eps = 1e-5f;
  return config;
}

ClusterProfile Ranks(size_t count) {
  ClusterProfile cluster;
  for (size_t rank = 0; rank < count; ++rank) {
    cluster.workers.push_back(
        {"rank " + std::to_string(rank), uint64_t{1} << 30, NominalSpeed(1), FastLink()});
  }
  return cluster;
}

TEST(MpiPlanTest, EveryReplicaHasAllLayersOnRanksOfItsOwn) {
  MpiPlanOptions options;
  options.replicas = 2;
  options.plan.use_all = true;
  PlanReport report;
  const absl::StatusOr<MpiPlan> plan = MakeMpiPlan(SmallConfig(), Ranks(4), options, report);
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_EQ(plan->replicas.size(), 2u);
  EXPECT_EQ(IdleText(*plan, 4), "");
  const absl::StatusOr<MpiPlan> decoded = DecodePlan(Encode(*plan), 4, 4);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(decoded->replicas[i].stages, plan->replicas[i].stages);
    EXPECT_EQ(decoded->replicas[i].kv_pages, plan->replicas[i].kv_pages);
  }
  EXPECT_FALSE(DecodePlan(Encode(*plan), 3, 4).ok());
  EXPECT_FALSE(DecodePlan(Encode(*plan), 4, 5).ok());
}

TEST(MpiPlanTest, MoreRanksThanLayersAreIdle) {
  MpiPlanOptions options;
  options.replicas = 1;
  options.plan.use_all = true;
  PlanReport report;
  const absl::StatusOr<MpiPlan> plan = MakeMpiPlan(SmallConfig(), Ranks(6), options, report);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->replicas[0].stages.size(), 4u);
  EXPECT_EQ(IdleText(*plan, 6), "ranks 4, 5 have nothing to do");
}

TEST(MpiPlanTest, ReplicasAreChosenWhereTheModelFitsARank) {
  PlanReport report;
  MpiPlanOptions options;
  options.plan.prompt_ratio = 0;  // prompts are as fast either way
  const absl::StatusOr<MpiPlan> plan = MakeMpiPlan(SmallConfig(), Ranks(2), options, report);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->replicas.size(), 2u);
}

TEST(MpiSpeedTest, SurvivesItsLetter) {
  const WorkerProfile profile = Ranks(1).workers[0];
  const absl::StatusOr<WorkerProfile> decoded = DecodeProfile(Encode(profile));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->speed, profile.speed);
  EXPECT_EQ(decoded->memory_bytes, profile.memory_bytes);
  EXPECT_FALSE(DecodeProfile(R"({"name": 1})").ok());
}

TEST(MpiReportTest, SurvivesItsFile) {
  MpiReport batch;
  batch.tokens = 101;
  batch.first_to_last = 0.5;
  batch.ranks = {{.layers = 3, .peak = 100, .weights = 30, .file = 10, .kv = 20}};
  EXPECT_EQ(batch.tokens_per_s(), 200);
  EXPECT_EQ(batch.ranks[0].rest(), 40);
  EXPECT_EQ(*DecodeReport(Encode(batch)), batch);
  MpiReport hop;
  hop.hop = {.dim = 2560, .round_trips = 9, .median_us = 20.5, .p99_us = 31};
  EXPECT_EQ(*DecodeReport(Encode(hop)), hop);
  EXPECT_FALSE(DecodeReport("").ok());
  EXPECT_FALSE(DecodeReport(R"({"hop": 3})").ok());
  EXPECT_FALSE(DecodeReport(R"({"tokens": 1, "first_to_last_s": 0, "ranks": [{}]})").ok());
}

TEST(PollBackoffTest, SpinsThenYieldsThenSleeps) {
  EXPECT_EQ(PauseAfter(absl::Microseconds(19), false).kind, PollPause::Kind::kSpin);
  EXPECT_EQ(PauseAfter(absl::Microseconds(20), true).kind, PollPause::Kind::kYield);
  const PollPause fresh = PauseAfter(absl::Milliseconds(1), false);
  EXPECT_EQ(fresh.kind, PollPause::Kind::kSleep);
  EXPECT_EQ(PauseAfter(absl::Seconds(1), true).sleep, fresh.sleep);
  EXPECT_GT(PauseAfter(absl::Seconds(1), false).sleep, fresh.sleep);
}

}  // namespace
}  // namespace tern
