// SPDX-License-Identifier: MIT
// What `tern plan` prints: plans, predictions and simulations, as tables or JSON.
#ifndef TERN_TOOLS_PLAN_REPORT_H_
#define TERN_TOOLS_PLAN_REPORT_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "partition/prediction.h"
#include "partition/replicas.h"
#include "partition/simulator.h"

namespace tern {

struct PlanReport {
  std::string model;     // its name
  uint32_t context = 0;  // tokens that each stream's KV cache has room for
  std::vector<ReplicaGroup> groups;
  std::vector<Prediction> predictions;  // [groups]
  std::optional<SimulationResult> simulation;
};

std::string ToText(const PlanReport& report);
nlohmann::ordered_json ToJson(const PlanReport& report);

}  // namespace tern

#endif  // TERN_TOOLS_PLAN_REPORT_H_
