// SPDX-License-Identifier: MIT
#include "coordinator/load_meter.h"

#include <algorithm>
#include <utility>

namespace tern {
namespace {

constexpr absl::Duration kWindow = absl::Seconds(10);
// Less work than this says nothing.
constexpr absl::Duration kLeastWork = absl::Milliseconds(1);

}  // namespace

// A worker whose last heartbeat was of another epoch has computed nothing yet.
void LoadMeter::Sample(absl::Time now, const Pipeline& pipeline, absl::Duration working) {
  if (pipeline.epoch != epoch_) {
    epoch_ = pipeline.epoch;
    samples_.clear();
    workers_.clear();
    for (const PipelineStage& stage : pipeline.stages) workers_.push_back(stage.worker);
  }
  Sampled sample{.at = now, .working = working, .busy = {}};
  for (const WorkerId worker : workers_) {
    const auto said = heartbeats_.find(worker);
    const bool is_current = said != heartbeats_.end() && said->second.epoch == epoch_;
    sample.busy.push_back(is_current ? said->second.busy : absl::ZeroDuration());
  }
  samples_.push_back(std::move(sample));
  while (samples_.front().at < now - kWindow) samples_.pop_front();
}

ClusterLoad LoadMeter::load() const {
  ClusterLoad load;
  load.heartbeats = heartbeats_;
  if (samples_.empty() || workers_.empty()) return load;
  const Sampled& first = samples_.front();
  const Sampled& last = samples_.back();
  const absl::Duration working = last.working - first.working;
  if (working < kLeastWork) return load;
  double sum = 0;
  for (size_t i = 0; i < workers_.size(); ++i) {
    // Heartbeats are not of the same moment: a stage may seem to have done more than there was.
    const double share = std::min(absl::FDivDuration(last.busy[i] - first.busy[i], working), 1.0);
    load.busy[workers_[i]] = share;
    sum += share;
  }
  load.bubble = 1 - sum / static_cast<double>(workers_.size());
  return load;
}

}  // namespace tern
