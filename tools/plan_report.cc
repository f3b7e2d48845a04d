// SPDX-License-Identifier: MIT
#include "tools/plan_report.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/human_bytes.h"

namespace tern {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kMilli = 1e3;

double Percent(double share) { return 100 * share; }
std::string Human(uint64_t bytes) { return HumanBytes(static_cast<double>(bytes)); }

double AllTokensPerSecond(const PlanReport& report) {
  double sum = 0;
  for (size_t i = 0; i < report.groups.size(); ++i) {
    sum += report.predictions[i].tokens_per_second * static_cast<double>(report.groups[i].replicas);
  }
  return sum;
}

std::string Header(const PlanReport& report) {
  const CostModel& costs = report.groups.front().costs;
  const LayerRange all{0, costs.config().layers};
  return absl::StrFormat(
      "%s: %u layers, %s of weights; KV cache for %u sequences of %u tokens, %s\n", report.model,
      costs.config().layers, Human(costs.WeightBytes(all)), costs.options().streams, report.context,
      Human(costs.KvBytes(all)));
}

std::string StageLine(const CostModel& costs, size_t stage, const StagePrediction& line) {
  const double used = static_cast<double>(line.weight_bytes + line.kv_bytes);
  std::string text = absl::StrFormat(
      "  %5u  %-16s %4u-%-4u %10s %10s %7.1f %% %9.2f %10.2f %5.1f %%", stage,
      costs.workers()[line.worker].name, line.layers.begin, line.layers.end - 1,
      Human(line.weight_bytes), Human(line.kv_bytes),
      Percent(used / static_cast<double>(line.usable_bytes)), line.decode_seconds * kMilli,
      line.prefill_seconds * kMilli, Percent(line.busy));
  if (line.link_seconds > 0) {
    absl::StrAppendFormat(&text, " %8.3f %5.1f %%", line.link_seconds * kMilli,
                          Percent(line.link_load));
  }
  return text + "\n";
}

std::string GroupText(const ReplicaGroup& group, const Prediction& prediction) {
  const CostModel& costs = group.costs;
  const uint32_t streams = costs.options().streams;
  std::string text = absl::StrFormat(
      "\nPlan for %s: %u of %u workers",
      costs.options().objective == Objective::kThroughput ? "throughput" : "latency",
      group.plan.stages.size(), costs.workers().size());
  if (group.replicas > 1) absl::StrAppend(&text, ", ", group.replicas, " times");
  absl::StrAppendFormat(&text, "\n  %5s  %-16s %-9s %10s %10s %9s %9s %10s %7s %8s %7s\n", "stage",
                        "worker", "   layers", "weights", "KV", "memory", "decode ms", "prefill ms",
                        "busy", "link ms", "load");
  for (size_t stage = 0; stage < prediction.stages.size(); ++stage) {
    absl::StrAppend(&text, StageLine(costs, stage, prediction.stages[stage]));
  }
  absl::StrAppendFormat(
      &text,
      "  decode, %u stream%s: %.2f tokens/s, %.1f ms a token of each, in steps of %u row%s, "
      "bubble %.1f %%\n",
      streams, streams == 1 ? "" : "s", prediction.tokens_per_second,
      prediction.token_seconds * kMilli, prediction.step_rows, prediction.step_rows == 1 ? "" : "s",
      Percent(prediction.bubble));
  if (costs.options().prompt_ratio > 0) {
    absl::StrAppendFormat(&text,
                          "  decode beside prompts, %.4g tokens of them for each generated: %.2f "
                          "tokens/s\n",
                          costs.options().prompt_ratio, prediction.loaded_tokens_per_second);
  }
  absl::StrAppendFormat(&text, "  decode, alone: %.2f tokens/s, %.1f ms a token\n",
                        1 / prediction.alone_token_seconds,
                        prediction.alone_token_seconds * kMilli);
  absl::StrAppendFormat(
      &text, "  prefill, alone: %u tokens, first token after %.2f s, %.1f tokens/s, chunks of %u\n",
      prediction.prompt_tokens, prediction.first_token_seconds,
      prediction.prefill_tokens_per_second, prediction.prefill_chunk);
  return text;
}

std::string SimulationText(const SimulationResult& result) {
  std::string text = absl::StrFormat(
      "\nSimulated: %u requests in %.1f s, %u prompt and %u output tokens, %u steps\n"
      "  %.2f output tokens/s in the middle of the run\n",
      result.finished, result.seconds, result.prompt_tokens, result.output_tokens, result.steps,
      result.tokens_per_second);
  const auto line = [&](const char* what, const Percentiles& p) {
    absl::StrAppendFormat(&text, "  %-15s p50 %10.1f ms   p90 %10.1f ms   p99 %10.1f ms\n", what,
                          p.p50 * kMilli, p.p90 * kMilli, p.p99 * kMilli);
  };
  line("first token", result.first_token_seconds);
  line("between tokens", result.between_tokens_seconds);
  absl::StrAppend(&text, "  stage   busy   link\n");
  for (size_t stage = 0; stage < result.stage_busy.size(); ++stage) {
    absl::StrAppendFormat(&text, "  %5u %4.0f %% %4.0f %%\n", stage,
                          Percent(result.stage_busy[stage]), Percent(result.link_busy[stage]));
  }
  return text;
}

Json StageJson(const CostModel& costs, const StagePrediction& stage) {
  return {{"worker", costs.workers()[stage.worker].name},
          {"first_layer", stage.layers.begin},
          {"end_layer", stage.layers.end},
          {"weight_bytes", stage.weight_bytes},
          {"kv_bytes", stage.kv_bytes},
          {"usable_bytes", stage.usable_bytes},
          {"decode_seconds", stage.decode_seconds},
          {"prefill_seconds", stage.prefill_seconds},
          {"busy", stage.busy},
          {"link_seconds", stage.link_seconds},
          {"link_load", stage.link_load}};
}

Json GroupJson(const ReplicaGroup& group, const Prediction& prediction) {
  Json json = {{"replicas", group.replicas},
               {"workers", group.costs.workers().size()},
               {"streams", group.costs.options().streams},
               {"kv_pages", group.plan.kv_pages},
               {"stages", Json::array()}};
  for (const StagePrediction& stage : prediction.stages) {
    json["stages"].push_back(StageJson(group.costs, stage));
  }
  json["step_rows"] = prediction.step_rows;
  json["tokens_per_second"] = prediction.tokens_per_second;
  json["loaded_tokens_per_second"] = prediction.loaded_tokens_per_second;
  json["token_seconds"] = prediction.token_seconds;
  json["alone_token_seconds"] = prediction.alone_token_seconds;
  json["bubble"] = prediction.bubble;
  json["prompt_tokens"] = prediction.prompt_tokens;
  json["first_token_seconds"] = prediction.first_token_seconds;
  json["prefill_tokens_per_second"] = prediction.prefill_tokens_per_second;
  return json;
}

Json SimulationJson(const SimulationResult& result) {
  const auto percentiles = [](const Percentiles& p) {
    return Json{{"p50", p.p50}, {"p90", p.p90}, {"p99", p.p99}};
  };
  return {{"requests", result.finished},
          {"seconds", result.seconds},
          {"prompt_tokens", result.prompt_tokens},
          {"output_tokens", result.output_tokens},
          {"steps", result.steps},
          {"tokens_per_second", result.tokens_per_second},
          {"first_token_seconds", percentiles(result.first_token_seconds)},
          {"between_tokens_seconds", percentiles(result.between_tokens_seconds)},
          {"stage_busy", result.stage_busy},
          {"link_busy", result.link_busy}};
}

}  // namespace

std::string ToText(const PlanReport& report) {
  std::string text = Header(report);
  for (size_t i = 0; i < report.groups.size(); ++i) {
    absl::StrAppend(&text, GroupText(report.groups[i], report.predictions[i]));
  }
  if (report.groups.size() > 1 || report.groups.front().replicas > 1) {
    absl::StrAppendFormat(&text, "\nAll replicas: %.2f tokens/s\n", AllTokensPerSecond(report));
  }
  if (report.simulation.has_value()) absl::StrAppend(&text, SimulationText(*report.simulation));
  return text;
}

nlohmann::ordered_json ToJson(const PlanReport& report) {
  const CostModel& costs = report.groups.front().costs;
  const LayerRange all{0, costs.config().layers};
  Json json = {{"model", report.model},          {"layers", costs.config().layers},
               {"context", report.context},      {"weight_bytes", costs.WeightBytes(all)},
               {"kv_bytes", costs.KvBytes(all)}, {"tokens_per_second", AllTokensPerSecond(report)},
               {"plans", Json::array()}};
  for (size_t i = 0; i < report.groups.size(); ++i) {
    json["plans"].push_back(GroupJson(report.groups[i], report.predictions[i]));
  }
  if (report.simulation.has_value()) json["simulation"] = SimulationJson(*report.simulation);
  return json;
}

}  // namespace tern
