// SPDX-License-Identifier: MIT
#include "partition/prices.h"

namespace tern {

Prices::Prices(const CostModel& costs, uint32_t stages)
    : costs_(costs),
      objective_(costs.options().objective),
      decode_(costs.DecodeStep(Rows(costs.options(), stages))),
      loaded_(costs.LoadedStep(decode_.rows)) {
  const PlanOptions& options = costs.options();
  const double streams_per_stage = static_cast<double>(options.streams) / stages;
  if (options.min_tokens_per_second > 0) {
    most_seconds_ = streams_per_stage / options.min_tokens_per_second;
  }
  if (objective_ == Objective::kThroughput) score_ = 1 / streams_per_stage;
  const StepShape judged = objective_ == Objective::kThroughput ? loaded_ : costs.DecodeStep(1);
  for (size_t worker = 0; worker < costs.workers().size(); ++worker) {
    decode_parts_.push_back(costs.Price(worker, decode_));
    judged_parts_.push_back(costs.Price(worker, judged));
  }
}

double Prices::Stage(size_t worker, LayerRange layers) const {
  if (!costs_.Fits(worker, layers)) return kImpossible;
  if (costs_.Seconds(decode_parts_[worker], layers) > most_seconds_) return kImpossible;
  return costs_.Seconds(judged_parts_[worker], layers);
}

double Prices::Link(size_t from, size_t to) const {
  const LinkSpeed path = costs_.Path(from, to);
  const auto seconds = [&](uint64_t rows) {
    return static_cast<double>(costs_.LinkBytes(rows)) / path.bytes_per_second;
  };
  if (seconds(decode_.rows) > most_seconds_) return kImpossible;
  if (objective_ == Objective::kThroughput) return seconds(loaded_.rows);
  return path.latency_seconds + seconds(1);
}

}  // namespace tern
