// SPDX-License-Identifier: MIT
// What a pipeline of so many stages is judged by: prices of its stages and links, folded along it.
// Less is better. The searches know nothing else of the objective.
#ifndef TERN_PARTITION_PRICES_H_
#define TERN_PARTITION_PRICES_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "partition/cost_model.h"
#include "partition/plan.h"

namespace tern {

inline constexpr double kImpossible = std::numeric_limits<double>::infinity();

// Throughput: `stages` steps are on their way at once, each with an even share of the streams and
// of the prompts that come for what they generate. A stage or link that takes longest sets the
// pace; sending a step overlaps computing the next, and latency hides behind the other steps. So
// prices are seconds of a step, folded by max, and a token of every stream takes `stages` times the
// result.
//
// Latency: one row of one stream, whose seconds in stages and on links add up. If a throughput is
// to be reached as well, stages and links that are too slow for it are impossible.
class Prices {
 public:
  // `costs` must outlive the object.
  Prices(const CostModel& costs, uint32_t stages);

  // kImpossible if the layers do not fit into the worker's memory or its time. More layers at
  // either end never cost less.
  double Stage(size_t worker, LayerRange layers) const;
  double Link(size_t from, size_t to) const;
  double Fold(double before, double next) const {
    return objective_ == Objective::kThroughput ? std::max(before, next) : before + next;
  }

  // What a folded price counts against those of other numbers of stages: seconds for a token, of
  // all streams together (throughput) or of the one (latency).
  double Score(double folded) const { return folded * score_; }
  // The other way.
  double Folded(double score) const { return score / score_; }

  // Rows of a step when all streams generate.
  static uint64_t Rows(const PlanOptions& options, uint32_t stages) {
    return (options.streams + stages - 1) / stages;
  }

 private:
  const CostModel& costs_;
  const Objective objective_;
  const StepShape decode_;             // all streams generate
  const StepShape loaded_;             // beside prompts
  double score_ = 1;                   // see Score
  double most_seconds_ = kImpossible;  // of a stage for decode_
  // What each worker takes. [workers]
  std::vector<PartSeconds> decode_parts_;
  std::vector<PartSeconds> judged_parts_;  // loaded_; for latency a single row
};

}  // namespace tern

#endif  // TERN_PARTITION_PRICES_H_
