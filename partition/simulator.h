// SPDX-License-Identifier: MIT
// Runs a plan without running it: a discrete-event simulation of requests, steps, stages and links,
// with times from the cost model. Pure; the same for the same seed.
//
// Each replica is a pipeline of its own with a scheduler that does as coordinator/scheduler.h does:
// requests are admitted in order when pages for all of their tokens are free, decode rows are
// spread over as many steps as there are stages, one step more may carry prompts, prompts fill
// steps up in chunks. Stages and links handle one step after the other. The way from the last stage
// by way of the coordinator to the first takes no time.
#ifndef TERN_PARTITION_SIMULATOR_H_
#define TERN_PARTITION_SIMULATOR_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "partition/cost_model.h"
#include "partition/plan.h"

namespace tern {

// Lengths in tokens; cut so that a request fits the context.
struct LengthDistribution {
  enum class Kind : uint8_t { kUniform, kExponential };
  Kind kind = Kind::kUniform;
  uint32_t low = 1;  // of kUniform: low to high, both included
  uint32_t high = 1;
  double mean = 1;  // of kExponential, rounded up: at least 1
};

struct SimulationOptions {
  uint64_t seed = 1;
  uint32_t requests = 1000;
  // Requests a second that arrive at random moments (Poisson); 0: `streams` clients that send the
  // next request as soon as they have the last one's answer.
  double arrivals_per_second = 0;
  uint32_t streams = 8;
  LengthDistribution prompt;
  LengthDistribution output;
  double jitter = 0;             // stages take 1 - jitter to 1 + jitter of the predicted time
  uint32_t steps_in_flight = 0;  // of a replica; 0: stages + 1
  uint32_t prefill_chunk = 64;   // most prompt rows of one sequence in a step
  uint32_t max_rows = 256;       // of a step
};

struct Percentiles {
  double p50 = 0, p90 = 0, p99 = 0;
};

struct SimulationResult {
  double seconds = 0;  // from the first arrival to the last token
  uint64_t finished = 0;
  uint64_t prompt_tokens = 0;
  uint64_t output_tokens = 0;
  // Output tokens a second of the middle of the run: without the time in which the pipelines fill
  // and that in which they run empty.
  double tokens_per_second = 0;
  double mean_first_token_seconds = 0;  // from arrival
  Percentiles first_token_seconds;
  Percentiles between_tokens_seconds;
  // Shares of `seconds`, averaged over the replicas that have such a stage.
  std::vector<double> stage_busy;  // [the most stages]
  std::vector<double> link_busy;   // [the most stages], of the link behind each; 0 for the last
  uint64_t steps = 0;
};

// A pipeline and the workers it is planned for: replicas need not be alike.
struct Replica {
  const CostModel* costs = nullptr;
  const Plan* plan = nullptr;
};

// INVALID_ARGUMENT for options that cannot be. REQUIRES at least one replica, each with a plan made
// for its costs.
absl::StatusOr<SimulationResult> Simulate(const std::vector<Replica>& replicas,
                                          const SimulationOptions& options);

}  // namespace tern

#endif  // TERN_PARTITION_SIMULATOR_H_
