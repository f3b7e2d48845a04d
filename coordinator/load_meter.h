// SPDX-License-Identifier: MIT
// What workers last said of their work, and how busy a pipeline's stages are. Pure: time is told.
#ifndef TERN_COORDINATOR_LOAD_METER_H_
#define TERN_COORDINATOR_LOAD_METER_H_

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "cluster/membership.h"
#include "cluster/messages.h"

namespace tern {

// Over the last ten seconds, or less since the pipeline came up.
struct ClusterLoad {
  std::map<WorkerId, Heartbeat> heartbeats;  // the last of each worker
  // Of the time in which the pipeline had work, the share that its stage computed: of each worker
  // that runs one. None without a pipeline, or if it had no work.
  std::map<WorkerId, double> busy;
  // The share that the stages stood still, on average.
  std::optional<double> bubble;
};

// Thread-compatible.
class LoadMeter {
 public:
  void Hear(WorkerId worker, const Heartbeat& heartbeat) { heartbeats_[worker] = heartbeat; }
  void Forget(WorkerId worker) { heartbeats_.erase(worker); }

  // Takes down how things are. `working` is how long the coordinator has had steps in flight, since
  // it began. REQUIRES that `now` does not go back.
  void Sample(absl::Time now, const Pipeline& pipeline, absl::Duration working);

  ClusterLoad load() const;

 private:
  struct Sampled {
    absl::Time at;
    absl::Duration working;
    std::vector<absl::Duration> busy;  // [stages]
  };

  std::map<WorkerId, Heartbeat> heartbeats_;
  uint64_t epoch_ = 0;             // of the samples
  std::vector<WorkerId> workers_;  // [stages]
  std::deque<Sampled> samples_;    // oldest first
};

}  // namespace tern

#endif  // TERN_COORDINATOR_LOAD_METER_H_
