// SPDX-License-Identifier: MIT
#include "partition/prices.h"

namespace tern {

Prices::Prices(const CostModel& costs, uint32_t stages)
    : costs_(costs), objective_(costs.options().objective), rows_(Rows(costs.options(), stages)) {
  const PlanOptions& options = costs.options();
  const double streams_per_stage = static_cast<double>(options.streams) / stages;
  if (options.min_tokens_per_second > 0) {
    most_seconds_ = streams_per_stage / options.min_tokens_per_second;
  }
  if (objective_ == Objective::kThroughput) score_ = 1 / streams_per_stage;
  const StepShape loaded = costs.DecodeStep(rows_);
  const StepShape single = costs.DecodeStep(1);
  for (size_t worker = 0; worker < costs.workers().size(); ++worker) {
    loaded_.push_back(costs.Price(worker, loaded));
    if (objective_ == Objective::kLatency) single_.push_back(costs.Price(worker, single));
  }
}

double Prices::Stage(size_t worker, LayerRange layers) const {
  if (!costs_.Fits(worker, layers)) return kImpossible;
  const double loaded = costs_.Seconds(loaded_[worker], layers);
  if (loaded > most_seconds_) return kImpossible;
  return objective_ == Objective::kThroughput ? loaded : costs_.Seconds(single_[worker], layers);
}

double Prices::Link(size_t from, size_t to) const {
  const LinkSpeed path = costs_.Path(from, to);
  const double loaded = static_cast<double>(costs_.LinkBytes(rows_)) / path.bytes_per_second;
  if (loaded > most_seconds_) return kImpossible;
  if (objective_ == Objective::kThroughput) return loaded;
  return path.latency_seconds + static_cast<double>(costs_.LinkBytes(1)) / path.bytes_per_second;
}

}  // namespace tern
