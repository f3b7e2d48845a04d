// SPDX-License-Identifier: MIT
#include "partition/replicas.h"

#include <set>
#include <string>

#include "gtest/gtest.h"
#include "tests/partition/random_cluster.h"

namespace tern {
namespace {

TEST(ReplicasTest, AlikeOnesShareAPlan) {
  const auto groups =
      PlanReplicas(SmallHead(24), ClusterOf(std::vector<double>(1000, 10)), {}, 250).value();
  ASSERT_EQ(groups.size(), 1);
  EXPECT_EQ(groups[0].replicas, 250);
  EXPECT_EQ(groups[0].costs.workers().size(), 4);
  EXPECT_EQ(ReplicasOf(groups).size(), 250);
}

TEST(ReplicasTest, KindsAreDealtOutEvenlyAndEveryWorkerOnce) {
  ClusterProfile cluster = ClusterOf({10, 10, 10, 10, 20, 20, 20});
  cluster.pairs = {{0, 2, {1e6, 0}}, {0, 1, {2e6, 0}}};
  PlanOptions options;
  options.use_all = true;
  const auto groups = PlanReplicas(SmallHead(24), cluster, options, 2).value();
  std::set<std::string> names;
  size_t replicas = 0;
  for (const ReplicaGroup& group : groups) {
    replicas += group.replicas;
    size_t fast = 0;
    for (const WorkerProfile& worker : group.costs.workers()) {
      EXPECT_TRUE(names.insert(worker.name).second);
      if (worker.speed == SpeedOf(20e9)) ++fast;
    }
    EXPECT_GE(fast, 1);
    EXPECT_EQ(group.plan.stages.size(), group.costs.workers().size());
  }
  EXPECT_EQ(replicas, 2);
  EXPECT_EQ(names.size(), 7);
}

TEST(ReplicasTest, PathsStayBetweenTheSameWorkers) {
  ClusterProfile cluster = ClusterOf({10, 10, 10, 10});
  cluster.pairs = {{1, 3, {1e6, 7}}, {0, 1, {2e6, 7}}};
  const auto groups = PlanReplicas(SmallHead(4), cluster, {}, 2).value();
  size_t paths = 0;
  for (const ReplicaGroup& group : groups) {
    for (const PairLink& pair : group.costs.cluster().pairs) {
      ++paths;
      const std::string from = group.costs.workers()[pair.from].name;
      const std::string to = group.costs.workers()[pair.to].name;
      EXPECT_EQ(pair.speed.bytes_per_second, from == "w1" ? 1e6 : 2e6);
      EXPECT_EQ(to, from == "w1" ? "w3" : "w1");
    }
  }
  EXPECT_EQ(paths, 1) << "one of the two is between replicas";
}

TEST(ReplicasTest, NoMoreThanWorkers) {
  for (const size_t replicas : {0, 3}) {
    EXPECT_EQ(PlanReplicas(SmallHead(4), ClusterOf({1, 1}), {}, replicas).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace tern
