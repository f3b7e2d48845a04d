// SPDX-License-Identifier: MIT
// The state of a cluster at one moment, for people and for Prometheus.
#ifndef TERN_COORDINATOR_STATUS_H_
#define TERN_COORDINATOR_STATUS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cluster/membership.h"
#include "coordinator/engine.h"
#include "coordinator/load_meter.h"

namespace tern {

enum class WorkerState { kMeasuring, kSpare, kFetching, kLoading, kServing, kDraining };

// "measuring", "spare", "fetching", "loading", "serving" or "draining".
const char* WorkerStateName(WorkerState state);
inline constexpr WorkerState kWorkerStates[] = {WorkerState::kMeasuring, WorkerState::kSpare,
                                                WorkerState::kFetching,  WorkerState::kLoading,
                                                WorkerState::kServing,   WorkerState::kDraining};

struct WorkerStatus {
  WorkerView view;
  WorkerState state = WorkerState::kMeasuring;
  Heartbeat heartbeat;         // the last; of epoch 0 if it has no stage
  std::optional<double> busy;  // see ClusterLoad
};

struct ClusterStatus {
  std::string version;  // of the coordinator
  std::string model;
  absl::Duration uptime;
  std::optional<Pipeline> pipeline;  // that is up
  std::string why_down;              // why none is, then
  std::vector<WorkerStatus> workers;
  Engine::Stats engine;
  std::optional<double> bubble;  // see ClusterLoad
};

// Fills in what the controller knows: `pipeline`, `why_down`, `workers` and `bubble`.
void FillCluster(const std::optional<Pipeline>& pipeline, const ClusterView& view,
                 const ClusterLoad& load, ClusterStatus& status);

}  // namespace tern

#endif  // TERN_COORDINATOR_STATUS_H_
