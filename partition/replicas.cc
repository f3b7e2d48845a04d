// SPDX-License-Identifier: MIT
#include "partition/replicas.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "partition/deal_workers.h"
#include "partition/planner.h"
#include "partition/worker_kinds.h"

namespace tern {
namespace {

// Workers that differ by less are of one kind: measured times vary, and what is lost by it is less
// than what a link between hosts may cost.
constexpr double kAlike = 1.2;

// What counts when workers are dealt out; paths do not, which are for the plan of each replica.
struct Strength {
  double seconds = 0;  // for a step of all streams, in all layers
  double memory = 0;
  LinkSpeed link;
};

Strength StrengthOf(const CostModel& costs, size_t worker) {
  const PartSeconds parts = costs.Price(worker, costs.LoadedStep(costs.options().streams));
  return {costs.Seconds(parts, {0, costs.config().layers}),
          static_cast<double>(costs.UsableBytes(worker)), costs.workers()[worker].link};
}

bool IsNear(double a, double b) { return std::max(a, b) <= kAlike * std::min(a, b); }

// Workers by kind, in order of their first ones; within a kind, those that are the same follow each
// other.
std::vector<std::vector<size_t>> RoughKinds(const CostModel& costs) {
  std::vector<Strength> strengths;
  std::vector<std::vector<size_t>> kinds;
  for (const WorkerKind& same : FindKinds(costs)) {
    const Strength strength = StrengthOf(costs, same.any());
    const auto near = std::find_if(strengths.begin(), strengths.end(), [&](const Strength& other) {
      return IsNear(other.seconds, strength.seconds) && IsNear(other.memory, strength.memory) &&
             other.link == strength.link;
    });
    const auto kind = static_cast<size_t>(near - strengths.begin());
    if (near == strengths.end()) {
      strengths.push_back(strength);
      kinds.emplace_back();
    }
    kinds[kind].insert(kinds[kind].end(), same.workers.begin(), same.workers.end());
  }
  return kinds;
}

// For each worker the number of its host; those that do not say have one of their own.
std::vector<size_t> HostsOf(const std::vector<WorkerProfile>& workers) {
  size_t next = 0;
  for (const WorkerProfile& worker : workers) next = std::max(next, worker.host.value_or(0) + 1);
  std::vector<size_t> hosts;
  for (const WorkerProfile& worker : workers) hosts.push_back(worker.host ? *worker.host : next++);
  return hosts;
}

// The workers of `chosen`, with the paths among them.
ClusterProfile Part(const ClusterProfile& cluster, const std::vector<size_t>& chosen) {
  ClusterProfile part;
  for (const size_t worker : chosen) part.workers.push_back(cluster.workers[worker]);
  const auto index = [&](size_t worker) {
    return static_cast<size_t>(std::find(chosen.begin(), chosen.end(), worker) - chosen.begin());
  };
  for (const PairLink& pair : cluster.pairs) {
    const PairLink within{index(pair.from), index(pair.to), pair.speed};
    if (within.from < chosen.size() && within.to < chosen.size()) part.pairs.push_back(within);
  }
  return part;
}

// Whether plans for one serve the other.
bool AllAlike(const ClusterProfile& a, const ClusterProfile& b) {
  return a.pairs.empty() && b.pairs.empty() &&
         std::equal(a.workers.begin(), a.workers.end(), b.workers.begin(), b.workers.end(),
                    [](const WorkerProfile& left, const WorkerProfile& right) {
                      return left.memory_bytes == right.memory_bytes && left.speed == right.speed &&
                             left.link == right.link;
                    });
}

}  // namespace

absl::StatusOr<std::vector<ReplicaGroup>> PlanReplicas(const ModelConfig& config,
                                                       const ClusterProfile& cluster,
                                                       const PlanOptions& options,
                                                       size_t replicas) {
  TERN_ASSIGN_OR_RETURN(const CostModel all, CostModel::Create(config, cluster, options));
  if (replicas == 0 || replicas > cluster.workers.size()) {
    return absl::InvalidArgumentError(absl::StrCat("replicas: found ", replicas, ", want 1 to ",
                                                   cluster.workers.size(), ", the workers"));
  }
  std::vector<ReplicaGroup> groups;
  for (std::vector<size_t>& hand :
       DealWorkers(RoughKinds(all), HostsOf(cluster.workers), replicas)) {
    ClusterProfile part = Part(cluster, hand);
    const auto alike = std::find_if(groups.begin(), groups.end(), [&](const ReplicaGroup& group) {
      return AllAlike(group.costs.cluster(), part);
    });
    if (alike != groups.end()) {
      ++alike->replicas;
      alike->members.push_back(std::move(hand));
      continue;
    }
    TERN_ASSIGN_OR_RETURN(CostModel costs, CostModel::Create(config, std::move(part), options));
    TERN_ASSIGN_OR_RETURN(Plan plan, MakePlan(costs));
    groups.push_back({.costs = std::move(costs),
                      .plan = std::move(plan),
                      .replicas = 1,
                      .members = {std::move(hand)}});
  }
  return groups;
}

std::vector<Replica> ReplicasOf(const std::vector<ReplicaGroup>& groups) {
  std::vector<Replica> replicas;
  for (const ReplicaGroup& group : groups) {
    replicas.insert(replicas.end(), group.replicas, {&group.costs, &group.plan});
  }
  return replicas;
}

}  // namespace tern
