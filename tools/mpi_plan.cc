// SPDX-License-Identifier: MIT
#include "tools/mpi_plan.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "partition/prediction.h"

namespace tern {
namespace {

using Json = nlohmann::ordered_json;

// Measured times differ by as much from one start to the next.
constexpr double kReplicaGain = 1.03;
constexpr uint32_t kPredictedPrompt = 128;
constexpr uint32_t kPredictedChunk = 64;

struct Choice {
  std::vector<ReplicaGroup> groups;
  std::vector<Prediction> predictions;  // [groups]
  double tokens_per_second = 0;
};

absl::StatusOr<Choice> PlanFor(const ModelConfig& config, const ClusterProfile& cluster,
                               const MpiPlanOptions& options, size_t replicas) {
  PlanOptions plan = options.plan;
  plan.streams = static_cast<uint32_t>((plan.streams + replicas - 1) / replicas);
  Choice choice;
  TERN_ASSIGN_OR_RETURN(choice.groups, PlanReplicas(config, cluster, plan, replicas));
  const uint32_t prompt = std::min(kPredictedPrompt, config.context - 1);
  for (const ReplicaGroup& group : choice.groups) {
    choice.predictions.push_back(Predict(group.costs, group.plan, prompt, kPredictedChunk));
    choice.tokens_per_second += choice.predictions.back().loaded_tokens_per_second *
                                static_cast<double>(group.members.size());
  }
  return choice;
}

absl::StatusOr<Choice> Choose(const ModelConfig& config, const ClusterProfile& cluster,
                              const MpiPlanOptions& options) {
  if (options.replicas > 0) return PlanFor(config, cluster, options, options.replicas);
  absl::StatusOr<Choice> best = PlanFor(config, cluster, options, 1);
  for (size_t replicas = 2; replicas <= cluster.workers.size(); ++replicas) {
    absl::StatusOr<Choice> choice = PlanFor(config, cluster, options, replicas);
    if (!choice.ok()) continue;  // fewer ranks have no room for the model
    if (!best.ok() || choice->tokens_per_second > kReplicaGain * best->tokens_per_second) {
      best = std::move(choice);
    }
  }
  return best;
}

std::optional<StagePlan> DecodeStage(const Json& json, size_t ranks, uint32_t begin,
                                     uint32_t layers) {
  const bool numbers = json.is_array() && json.size() == 3 && json[0].is_number_unsigned() &&
                       json[1].is_number_unsigned() && json[2].is_number_unsigned();
  if (!numbers) return std::nullopt;
  const StagePlan stage{json[0].get<size_t>(), {json[1].get<uint32_t>(), json[2].get<uint32_t>()}};
  const bool sound = stage.worker < ranks && stage.layers.begin == begin &&
                     stage.layers.end > begin && stage.layers.end <= layers;
  return sound ? std::optional(stage) : std::nullopt;
}

std::optional<MpiReplica> DecodeReplica(const Json& json, size_t ranks, uint32_t layers) {
  const bool sound = json.is_object() && json.contains("kv_pages") &&
                     json["kv_pages"].is_number_unsigned() && json.contains("stages") &&
                     json["stages"].is_array();
  if (!sound) return std::nullopt;
  MpiReplica replica;
  replica.kv_pages = json["kv_pages"].get<uint64_t>();
  uint32_t begin = 0;
  for (const Json& each : json["stages"]) {
    const std::optional<StagePlan> stage = DecodeStage(each, ranks, begin, layers);
    if (!stage.has_value()) return std::nullopt;
    begin = stage->layers.end;
    replica.stages.push_back(*stage);
  }
  if (begin != layers || replica.kv_pages == 0) return std::nullopt;
  return replica;
}

}  // namespace

absl::StatusOr<MpiPlan> MakeMpiPlan(const ModelConfig& config, const ClusterProfile& cluster,
                                    const MpiPlanOptions& options, PlanReport& report) {
  TERN_ASSIGN_OR_RETURN(Choice choice, Choose(config, cluster, options));
  MpiPlan plan;
  for (const ReplicaGroup& group : choice.groups) {
    for (const std::vector<size_t>& members : group.members) {
      MpiReplica& replica = plan.replicas.emplace_back();
      replica.kv_pages = group.plan.kv_pages;
      for (StagePlan stage : group.plan.stages) {
        stage.worker = members[stage.worker];
        replica.stages.push_back(stage);
      }
    }
  }
  report.groups = std::move(choice.groups);
  report.predictions = std::move(choice.predictions);
  return plan;
}

std::string Encode(const MpiPlan& plan) {
  Json json = Json::array();
  for (const MpiReplica& replica : plan.replicas) {
    Json stages = Json::array();
    for (const StagePlan& stage : replica.stages) {
      stages.push_back({stage.worker, stage.layers.begin, stage.layers.end});
    }
    json.push_back({{"kv_pages", replica.kv_pages}, {"stages", std::move(stages)}});
  }
  return json.dump();
}

absl::StatusOr<MpiPlan> DecodePlan(const std::string& text, size_t ranks, uint32_t layers) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  MpiPlan plan;
  bool sound = json.is_array() && !json.empty();
  for (size_t i = 0; sound && i < json.size(); ++i) {
    std::optional<MpiReplica> replica = DecodeReplica(json[i], ranks, layers);
    sound = replica.has_value();
    if (sound) plan.replicas.push_back(*std::move(replica));
  }
  if (sound) return plan;
  return absl::DataLossError("plan: not one of these ranks and layers");
}

std::string IdleText(const MpiPlan& plan, size_t ranks) {
  std::vector<bool> busy(ranks);
  for (const MpiReplica& replica : plan.replicas) {
    for (const StagePlan& stage : replica.stages) busy[stage.worker] = true;
  }
  std::vector<size_t> idle;
  for (size_t rank = 0; rank < ranks; ++rank) {
    if (!busy[rank]) idle.push_back(rank);
  }
  if (idle.empty()) return "";
  return absl::StrCat(idle.size() == 1 ? "rank " : "ranks ", absl::StrJoin(idle, ", "),
                      idle.size() == 1 ? " has" : " have", " nothing to do");
}

}  // namespace tern
