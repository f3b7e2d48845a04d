// SPDX-License-Identifier: MIT
// Several pipelines of the same model beside each other, each on workers of its own.
#ifndef TERN_PARTITION_REPLICAS_H_
#define TERN_PARTITION_REPLICAS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "partition/cost_model.h"
#include "partition/plan.h"
#include "partition/simulator.h"

namespace tern {

// Replicas whose workers are alike, and their plan. `costs` has the workers of the first.
struct ReplicaGroup {
  CostModel costs;
  Plan plan;
  size_t replicas = 1;
  std::vector<std::vector<size_t>> members;  // [replicas] workers of each in the whole cluster; the
                                             // first's are costs.workers()
};

// Deals the workers out to `replicas` pipelines (DealWorkers) and plans each: evenly by kind, of
// which those are that are nearly as fast and have nearly as much memory, on few hosts each.
// options.streams and kv_tokens are those of one. Errors as of MakePlan; INVALID_ARGUMENT for no
// replicas, or more than workers.
absl::StatusOr<std::vector<ReplicaGroup>> PlanReplicas(const ModelConfig& config,
                                                       const ClusterProfile& cluster,
                                                       const PlanOptions& options, size_t replicas);

// One entry for each replica; it points into `groups`.
std::vector<Replica> ReplicasOf(const std::vector<ReplicaGroup>& groups);

}  // namespace tern

#endif  // TERN_PARTITION_REPLICAS_H_
