// SPDX-License-Identifier: MIT
// Makes the plan: chooses workers, their order and their layers.
#ifndef TERN_PARTITION_PLANNER_H_
#define TERN_PARTITION_PLANNER_H_

#include "absl/status/statusor.h"
#include "partition/cost_model.h"
#include "partition/plan.h"

namespace tern {

// The plan that is best by costs.options(). The best there is as long as the workers are up to 12,
// or more of few kinds; a good one otherwise. Of plans of the same pace, one with few stages, and
// with layers in proportion to speed.
//
// RESOURCE_EXHAUSTED, saying what is needed and what there is, if weights and KV cache do not fit
// in any way, or the wanted throughput is out of reach.
absl::StatusOr<Plan> MakePlan(const CostModel& costs);

}  // namespace tern

#endif  // TERN_PARTITION_PLANNER_H_
