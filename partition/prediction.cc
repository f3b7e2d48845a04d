// SPDX-License-Identifier: MIT
#include "partition/prediction.h"

#include <algorithm>

#include "partition/prices.h"

namespace tern {
namespace {

// Seconds of one step in a stage and on the link behind it.
struct StageStep {
  double stage = 0;
  double send = 0;
  double latency = 0;
};

StageStep StepIn(const CostModel& costs, const Plan& plan, size_t stage, const StepShape& step) {
  const auto& [worker, layers] = plan.stages[stage];
  StageStep seconds{.stage = costs.Seconds(costs.Price(worker, step), layers)};
  if (stage + 1 < plan.stages.size()) {
    const LinkSpeed path = costs.Path(worker, plan.stages[stage + 1].worker);
    seconds.send = static_cast<double>(costs.LinkBytes(step.rows)) / path.bytes_per_second;
    seconds.latency = path.latency_seconds;
  }
  return seconds;
}

// Seconds of `steps` such steps that go around at the same time.
double SecondsAround(const CostModel& costs, const Plan& plan, const StepShape& step,
                     double steps) {
  double slowest = 0, around = 0;
  for (size_t stage = 0; stage < plan.stages.size(); ++stage) {
    const StageStep seconds = StepIn(costs, plan, stage, step);
    slowest = std::max({slowest, seconds.stage, seconds.send});
    around += seconds.stage + seconds.send + seconds.latency;
  }
  // They follow each other at the pace of the slowest, unless they are too few to keep it busy
  // while one of them goes all the way around.
  return std::max(steps * slowest, around);
}

// Chunks of one prompt follow each other down the pipe: each begins in a stage when the chunk
// before has left it and it has arrived itself.
void PredictPrefill(const CostModel& costs, const Plan& plan, Prediction& prediction) {
  const size_t stages = plan.stages.size();
  std::vector<double> stage_free(stages), link_free(stages);
  double arrived = 0;
  for (uint32_t position = 0; position < prediction.prompt_tokens;) {
    const uint32_t rows = std::min(prediction.prefill_chunk, prediction.prompt_tokens - position);
    StepShape step;
    costs.AddRows(position, rows, position + rows == prediction.prompt_tokens ? 1 : 0, step);
    position += rows;
    arrived = 0;
    for (size_t stage = 0; stage < stages; ++stage) {
      const StageStep seconds = StepIn(costs, plan, stage, step);
      double& longest = prediction.stages[stage].prefill_seconds;
      longest = std::max(longest, seconds.stage);
      stage_free[stage] = std::max(stage_free[stage], arrived) + seconds.stage;
      link_free[stage] = std::max(link_free[stage], stage_free[stage]) + seconds.send;
      arrived = link_free[stage] + seconds.latency;
    }
  }
  prediction.first_token_seconds = arrived;
  prediction.prefill_tokens_per_second = prediction.prompt_tokens / arrived;
}

}  // namespace

Prediction Predict(const CostModel& costs, const Plan& plan, uint32_t prompt_tokens,
                   uint32_t prefill_chunk) {
  const size_t stages = plan.stages.size();
  const uint32_t streams = costs.options().streams;
  Prediction prediction;
  prediction.prompt_tokens = prompt_tokens;
  prediction.prefill_chunk = prefill_chunk;
  prediction.step_rows = Prices::Rows(costs.options(), static_cast<uint32_t>(stages));
  const StepShape decode = costs.DecodeStep(prediction.step_rows), single = costs.DecodeStep(1);
  for (size_t stage = 0; stage < stages; ++stage) {
    const auto& [worker, layers] = plan.stages[stage];
    const StageStep step = StepIn(costs, plan, stage, decode);
    prediction.stages.push_back({.worker = worker,
                                 .layers = layers,
                                 .weight_bytes = costs.WeightBytes(layers),
                                 .kv_bytes = costs.KvBytes(layers),
                                 .usable_bytes = costs.UsableBytes(worker),
                                 .decode_seconds = step.stage,
                                 .link_seconds = step.send});
  }
  const auto steps =
      static_cast<double>((streams + prediction.step_rows - 1) / prediction.step_rows);
  prediction.alone_token_seconds = SecondsAround(costs, plan, single, 1);
  prediction.token_seconds = SecondsAround(costs, plan, decode, steps);
  prediction.tokens_per_second = streams / prediction.token_seconds;
  prediction.loaded_tokens_per_second =
      streams / SecondsAround(costs, plan, costs.LoadedStep(prediction.step_rows), steps);
  double busy = 0;
  for (StagePrediction& stage : prediction.stages) {
    stage.busy = steps * stage.decode_seconds / prediction.token_seconds;
    stage.link_load = steps * stage.link_seconds / prediction.token_seconds;
    busy += stage.busy;
  }
  prediction.bubble = 1 - busy / static_cast<double>(stages);
  PredictPrefill(costs, plan, prediction);
  return prediction;
}

}  // namespace tern
