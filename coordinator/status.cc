// SPDX-License-Identifier: MIT
#include "coordinator/status.h"

namespace tern {
namespace {

WorkerState StateOf(const WorkerView& worker, bool is_up) {
  if (worker.draining) return WorkerState::kDraining;
  if (worker.fetching) return WorkerState::kFetching;
  if (worker.layers.begin == worker.layers.end) return WorkerState::kSpare;
  return is_up ? WorkerState::kServing : WorkerState::kLoading;
}

}  // namespace

const char* WorkerStateName(WorkerState state) {
  switch (state) {
    case WorkerState::kMeasuring:
      return "measuring";
    case WorkerState::kSpare:
      return "spare";
    case WorkerState::kFetching:
      return "fetching";
    case WorkerState::kLoading:
      return "loading";
    case WorkerState::kServing:
      return "serving";
    case WorkerState::kDraining:
      return "draining";
  }
  return "unknown";
}

void FillCluster(const std::optional<Pipeline>& pipeline, const ClusterView& view,
                 const ClusterLoad& load, ClusterStatus& status) {
  status.pipeline = pipeline;
  if (pipeline.has_value()) status.bubble = load.bubble;
  if (!pipeline.has_value()) status.why_down = view.why_down;
  for (const WorkerView& worker : view.workers) {
    WorkerStatus& added = status.workers.emplace_back();
    added.view = worker;
    added.state = StateOf(worker, pipeline.has_value());
    const auto heartbeat = load.heartbeats.find(worker.id);
    if (heartbeat != load.heartbeats.end()) added.heartbeat = heartbeat->second;
    const auto busy = load.busy.find(worker.id);
    if (pipeline.has_value() && busy != load.busy.end()) added.busy = busy->second;
  }
  for (const WorkerView& worker : view.measuring) {
    status.workers.emplace_back().view = worker;
  }
}

}  // namespace tern
