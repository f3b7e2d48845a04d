// SPDX-License-Identifier: MIT
// What a plan will do, by the cost model alone: times, rates, memory. The simulator
// (partition/simulator.h) finds the same by running it.
#ifndef TERN_PARTITION_PREDICTION_H_
#define TERN_PARTITION_PREDICTION_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "partition/cost_model.h"
#include "partition/plan.h"

namespace tern {

struct StagePrediction {
  size_t worker = 0;
  LayerRange layers;
  uint64_t weight_bytes = 0;
  uint64_t kv_bytes = 0;
  uint64_t usable_bytes = 0;   // of the worker
  double decode_seconds = 0;   // of a step of all streams' share
  double prefill_seconds = 0;  // of one chunk of the prompt, the most expensive one
  double busy = 0;             // share of the time, while all streams generate
  double link_seconds = 0;     // of a decode step, on the link to the next stage; 0 for the last
  double link_load = 0;        // share of the time that this link sends
};

// While options().streams generate at once, and for a prompt of `prompt_tokens` that is alone.
struct Prediction {
  std::vector<StagePrediction> stages;
  uint64_t step_rows = 0;
  double tokens_per_second = 0;         // of all streams together
  double loaded_tokens_per_second = 0;  // the same, beside prompts (options().prompt_ratio)
  double token_seconds = 0;             // between two tokens of one stream among all
  double alone_token_seconds = 0;       // between two tokens of a stream that is alone
  uint32_t prompt_tokens = 0;
  uint32_t prefill_chunk = 0;
  double first_token_seconds = 0;  // from the prompt's start to its first token
  double prefill_tokens_per_second = 0;
  double bubble = 0;  // share of the stages' time, while all streams generate, that they idle
};

// REQUIRES a plan made for `costs`, prompt_tokens and prefill_chunk of at least 1.
Prediction Predict(const CostModel& costs, const Plan& plan, uint32_t prompt_tokens,
                   uint32_t prefill_chunk);

}  // namespace tern

#endif  // TERN_PARTITION_PREDICTION_H_
