// SPDX-License-Identifier: MIT
#include "partition/replicas.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "partition/deal_workers.h"
#include "tests/partition/random_cluster.h"

namespace tern {
namespace {

using ::testing::ElementsAre;
using Indices = std::vector<size_t>;
using Hands = std::vector<Indices>;

// `each` workers on each of `hosts` hosts, one host after the other.
Indices HostsOf(size_t hosts, size_t each) {
  Indices numbers;
  for (size_t worker = 0; worker < hosts * each; ++worker) numbers.push_back(worker / each);
  return numbers;
}

// All workers as one kind.
Hands OneKind(size_t workers) {
  Indices kind(workers);
  std::iota(kind.begin(), kind.end(), 0);
  return {kind};
}

size_t CountHosts(const Indices& hand, const Indices& hosts) {
  std::set<size_t> found;
  for (const size_t worker : hand) found.insert(hosts[worker]);
  return found.size();
}

// How many of `kind` each replica has.
Indices CountOf(const Indices& kind, const Hands& hands) {
  Indices counts;
  for (const Indices& hand : hands) {
    counts.push_back(
        static_cast<size_t>(std::count_if(hand.begin(), hand.end(), [&](size_t worker) {
          return std::find(kind.begin(), kind.end(), worker) != kind.end();
        })));
  }
  return counts;
}

size_t Spread(const Indices& counts) {
  const auto [least, most] = std::minmax_element(counts.begin(), counts.end());
  return *most - *least;
}

TEST(DealWorkersTest, AReplicaStaysOnAHost) {
  EXPECT_THAT(DealWorkers(OneKind(4), HostsOf(2, 2), 2), ElementsAre(Indices{0, 1}, Indices{2, 3}));
  // As mpirun --map-by node has them.
  EXPECT_THAT(DealWorkers(OneKind(4), {0, 1, 0, 1}, 2), ElementsAre(Indices{0, 2}, Indices{1, 3}));
}

TEST(DealWorkersTest, AReplicaTakesWholeHosts) {
  for (const Indices& hand : DealWorkers(OneKind(8), HostsOf(4, 2), 2)) {
    EXPECT_EQ(hand.size(), 4);
    EXPECT_EQ(CountHosts(hand, HostsOf(4, 2)), 2);
  }
  EXPECT_THAT(DealWorkers(OneKind(6), {0, 1, 1, 2, 3, 3}, 3),
              ElementsAre(Indices{1, 2}, Indices{4, 5}, Indices{0, 3}))
      << "hosts of one are for the replica that no other host is left for";
}

TEST(DealWorkersTest, OneOfThreeHostsIsDivided) {
  for (const Indices& hand : DealWorkers(OneKind(6), HostsOf(3, 2), 2)) {
    EXPECT_EQ(hand.size(), 3);
    EXPECT_EQ(CountHosts(hand, HostsOf(3, 2)), 2);
  }
}

TEST(DealWorkersTest, EvenKindsComeBeforeFewHosts) {
  // A fast host and a slow one.
  const Hands kinds = {{0, 1}, {2, 3}};
  EXPECT_THAT(DealWorkers(kinds, HostsOf(2, 2), 2), ElementsAre(Indices{0, 2}, Indices{1, 3}));
}

TEST(DealWorkersTest, KindsOfAHostStayTogether) {
  // Each host has a fast worker and a slow one; the slow ones are listed the other way round.
  const Hands kinds = {{0, 2, 4}, {5, 3, 1}};
  EXPECT_THAT(DealWorkers(kinds, HostsOf(3, 2), 3),
              ElementsAre(Indices{0, 1}, Indices{2, 3}, Indices{4, 5}));
}

TEST(DealWorkersTest, AsManyReplicasAsWorkersGetOneEach) {
  for (const Indices& hand : DealWorkers(OneKind(6), HostsOf(3, 2), 6)) EXPECT_EQ(hand.size(), 1);
}

TEST(DealWorkersTest, HostsOfOneWorkerGoRound) {
  EXPECT_THAT(DealWorkers({{0, 1, 2}, {3, 4, 5, 6}}, HostsOf(7, 1), 2),
              ElementsAre(Indices{0, 2, 4, 6}, Indices{1, 3, 5}));
}

TEST(DealWorkersTest, AnyWorkersAreDealtOnceAndEvenly) {
  std::mt19937 rng(1);
  for (int round = 0; round < 5000; ++round) {
    const size_t workers = 1 + rng() % 24;
    const size_t replicas = 1 + rng() % workers;
    Hands kinds(1 + rng() % 4);
    Indices hosts(workers);
    for (size_t& host : hosts) host = rng() % (1 + rng() % workers);
    for (size_t worker = 0; worker < workers; ++worker) {
      kinds[rng() % kinds.size()].push_back(worker);
    }
    const Hands hands = DealWorkers(kinds, hosts, replicas);
    ASSERT_EQ(hands.size(), replicas);
    ASSERT_LE(Spread(CountOf(OneKind(workers)[0], hands)), 1) << "round " << round;
    for (const Indices& kind : kinds) ASSERT_LE(Spread(CountOf(kind, hands)), 1);
    std::set<size_t> dealt;
    size_t pairs = 0;  // of a replica and a host
    for (const Indices& hand : hands) {
      ASSERT_TRUE(std::is_sorted(hand.begin(), hand.end()));
      for (const size_t worker : hand) ASSERT_TRUE(dealt.insert(worker).second);
      pairs += CountHosts(hand, hosts);
    }
    ASSERT_EQ(dealt.size(), workers);
    if (kinds.size() > 1) continue;
    ASSERT_LT(pairs, CountHosts(kinds[0], hosts) + replicas) << "round " << round;
  }
}

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

TEST(ReplicasTest, ThoseOfAHostMakeAPipeline) {
  // Measured times of equal workers; the links between hosts are slow.
  ClusterProfile cluster = ClusterOf({10, 10.4, 9.8, 10.1});
  for (size_t from = 0; from < 4; ++from) {
    cluster.workers[from].host = from / 2;
    for (size_t to = 0; to < 4; ++to) {
      if (from != to && from / 2 != to / 2) cluster.pairs.push_back({from, to, {1e6, 1e-3}});
    }
  }
  const auto groups = PlanReplicas(SmallHead(24), cluster, {}, 2).value();
  ASSERT_EQ(groups.size(), 2);
  EXPECT_THAT(groups[0].members, ElementsAre(Indices{0, 1}));
  EXPECT_THAT(groups[1].members, ElementsAre(Indices{2, 3}));
}

TEST(ReplicasTest, HostsOfOtherSpeedAreSplit) {
  ClusterProfile cluster = ClusterOf({10, 10, 20, 20});
  for (size_t worker = 0; worker < 4; ++worker) cluster.workers[worker].host = worker / 2;
  const auto groups = PlanReplicas(SmallHead(24), cluster, {}, 2).value();
  ASSERT_EQ(groups.size(), 1);
  EXPECT_THAT(groups[0].members, ElementsAre(Indices{0, 2}, Indices{1, 3}));
}

TEST(ReplicasTest, NoMoreThanWorkers) {
  for (const size_t replicas : {0, 3}) {
    EXPECT_EQ(PlanReplicas(SmallHead(4), ClusterOf({1, 1}), {}, replicas).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace tern
