// SPDX-License-Identifier: MIT
#include "partition/replicas.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "partition/planner.h"
#include "partition/worker_kinds.h"

namespace tern {
namespace {

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
  std::vector<std::vector<size_t>> hands(replicas);
  size_t dealt = 0;
  for (const WorkerKind& kind : FindKinds(all)) {
    for (const size_t worker : kind.workers) hands[dealt++ % replicas].push_back(worker);
  }
  std::vector<ReplicaGroup> groups;
  for (std::vector<size_t>& hand : hands) {
    std::sort(hand.begin(), hand.end());
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
