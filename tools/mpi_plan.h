// SPDX-License-Identifier: MIT
// The plan of an MPI job: which rank runs which stage of which replica.
#ifndef TERN_TOOLS_MPI_PLAN_H_
#define TERN_TOOLS_MPI_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "partition/plan.h"
#include "partition/replicas.h"
#include "tools/plan_report.h"

namespace tern {

struct MpiReplica {
  std::vector<StagePlan> stages;  // StagePlan::worker is the rank
  uint64_t kv_pages = 0;
};

struct MpiPlan {
  std::vector<MpiReplica> replicas;
};

struct MpiPlanOptions {
  PlanOptions plan;     // streams of the whole job, kv_tokens of one replica
  size_t replicas = 0;  // 0: as many as are fastest
};

// Plans for ranks that are `cluster`'s workers. More replicas than one must be predicted to be
// faster to be chosen. `report` gets what is to be printed of it. Errors of PlanReplicas.
absl::StatusOr<MpiPlan> MakeMpiPlan(const ModelConfig& config, const ClusterProfile& cluster,
                                    const MpiPlanOptions& options, PlanReport& report);

// For letters between ranks. DATA_LOSS for what Encode did not make, or a plan that is not one of
// `ranks` ranks and `layers` layers.
std::string Encode(const MpiPlan& plan);
absl::StatusOr<MpiPlan> DecodePlan(const std::string& text, size_t ranks, uint32_t layers);

// Ranks without a stage: "ranks 3, 5 have nothing to do"; empty if all have.
std::string IdleText(const MpiPlan& plan, size_t ranks);

}  // namespace tern

#endif  // TERN_TOOLS_MPI_PLAN_H_
