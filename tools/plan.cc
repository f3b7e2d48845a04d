// SPDX-License-Identifier: MIT
// `tern plan`: cuts a model for machines that may not exist yet, and says how fast it would run.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "model/model_file.h"
#include "model/synth.h"
#include "partition/hosts.h"
#include "tools/cluster_profile.h"
#include "tools/commands.h"
#include "tools/kv_choice.h"
#include "tools/plan_report.h"

namespace tern {
namespace {

struct PlanFlags {
  std::string model;
  std::string hosts;
  std::string cluster;
  PlanOptions options;
  uint32_t streams = 8;  // over all replicas
  uint32_t context = 0;
  KvType kv = KvType::kF16;
  std::string objective = "throughput";
  size_t replicas = 1;
  std::string prompt_tokens = "512";
  std::string output_tokens = "128";
  bool simulate = false;
  SimulationOptions simulation;
  bool json = false;
};

// The shape of a file, or of `tern synth`'s models by name.
absl::StatusOr<ModelConfig> ConfigOf(const std::string& model) {
  absl::StatusOr<ModelConfig> shape = SyntheticShape(model);
  if (shape.ok()) return shape;
  const absl::StatusOr<std::unique_ptr<ModelFile>> file = ModelFile::Open(model);
  if (file.ok()) return (*file)->config();
  if (!absl::IsNotFound(file.status())) return file.status();
  return absl::NotFoundError(absl::StrCat(file.status().message(), "; ", shape.status().message()));
}

// "N", "N-M" or "exp:MEAN".
absl::StatusOr<LengthDistribution> ParseLengths(const char* flag, const std::string& text) {
  LengthDistribution lengths;
  absl::string_view rest = text;
  bool ok;
  if (absl::ConsumePrefix(&rest, "exp:")) {
    lengths.kind = LengthDistribution::Kind::kExponential;
    ok = absl::SimpleAtod(rest, &lengths.mean) && lengths.mean >= 1 && lengths.mean <= 1e9;
  } else {
    const std::vector<absl::string_view> ends = absl::StrSplit(rest, '-');
    ok = ends.size() <= 2 && absl::SimpleAtoi(ends.front(), &lengths.low) &&
         absl::SimpleAtoi(ends.back(), &lengths.high) && lengths.low >= 1 &&
         lengths.low <= lengths.high;
  }
  if (ok) return lengths;
  return absl::InvalidArgumentError(
      absl::StrCat(flag, ": found ", text, ", want N, N-M or exp:MEAN, of at least 1 token"));
}

double MeanOf(const LengthDistribution& lengths) {
  return lengths.kind == LengthDistribution::Kind::kExponential
             ? lengths.mean
             : (static_cast<double>(lengths.low) + lengths.high) / 2;
}

// Sets what a stream keeps in the cache, and how much of it on average while it generates.
absl::Status SetLengths(const PlanFlags& flags, ModelConfig& config, PlanOptions& options,
                        SimulationOptions& simulation) {
  TERN_ASSIGN_OR_RETURN(simulation.prompt, ParseLengths("--prompt-tokens", flags.prompt_tokens));
  TERN_ASSIGN_OR_RETURN(simulation.output, ParseLengths("--output-tokens", flags.output_tokens));
  TERN_RETURN_IF_ERROR(LimitContext(flags.context, config));
  const double cached = MeanOf(simulation.prompt) + MeanOf(simulation.output) / 2;
  options.cached_tokens =
      static_cast<uint32_t>(std::min(cached, static_cast<double>(config.context - 1)));
  options.prompt_ratio = MeanOf(simulation.prompt) / MeanOf(simulation.output);
  return absl::OkStatus();
}

absl::Status MakeReport(const PlanFlags& flags) {
  TERN_ASSIGN_OR_RETURN(ModelConfig config, ConfigOf(flags.model));
  TERN_ASSIGN_OR_RETURN(const ClusterProfile cluster, flags.cluster.empty()
                                                          ? ReadHosts(flags.hosts)
                                                          : ReadClusterProfile(flags.cluster));
  PlanOptions options = flags.options;
  SimulationOptions simulation = flags.simulation;
  TERN_RETURN_IF_ERROR(SetLengths(flags, config, options, simulation));
  if (flags.replicas == 0) return absl::InvalidArgumentError("--replicas: found 0, want 1 or more");
  options.kv_type = flags.kv;
  options.objective = flags.objective == "latency" ? Objective::kLatency : Objective::kThroughput;
  options.streams = static_cast<uint32_t>((flags.streams + flags.replicas - 1) / flags.replicas);
  options.min_tokens_per_second /= static_cast<double>(flags.replicas);
  options.kv_tokens = uint64_t{options.streams} * KvPagesFor(config.context) * kKvPageTokens;
  simulation.streams = flags.streams;

  PlanReport report;
  report.model = flags.model;
  report.context = config.context;
  TERN_ASSIGN_OR_RETURN(report.groups, PlanReplicas(config, cluster, options, flags.replicas));
  const auto prompt = static_cast<uint32_t>(
      std::min(MeanOf(simulation.prompt), static_cast<double>(config.context - 1)));
  for (const ReplicaGroup& group : report.groups) {
    report.predictions.push_back(
        Predict(group.costs, group.plan, std::max(prompt, 1u), simulation.prefill_chunk));
  }
  if (flags.simulate) {
    TERN_ASSIGN_OR_RETURN(report.simulation, Simulate(ReplicasOf(report.groups), simulation));
  }
  const std::string text = flags.json ? ToJson(report).dump(2) + "\n" : ToText(report);
  std::fputs(text.c_str(), stdout);
  return absl::OkStatus();
}

void AddSimulationFlags(CLI::App& command, PlanFlags& flags) {
  SimulationOptions& simulation = flags.simulation;
  command.add_flag("--simulate", flags.simulate, "Run requests through the plan, in a simulation");
  command.add_option("--seed", simulation.seed, "Another seed gives another simulation")
      ->capture_default_str();
  command.add_option("--requests", simulation.requests, "To simulate")->capture_default_str();
  command
      .add_option("--rate", simulation.arrivals_per_second,
                  "Requests a second that arrive at random; 0: each of --streams sends the "
                  "next one when the last one has ended")
      ->capture_default_str();
  command
      .add_option("--jitter", simulation.jitter,
                  "Share by which stages take more or less than predicted, at random")
      ->capture_default_str();
  command
      .add_option("--steps", simulation.steps_in_flight, "In flight in a pipeline; 0: stages + 1")
      ->capture_default_str();
  command.add_option("--max-rows", simulation.max_rows, "Most rows of a step")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
}

}  // namespace

void AddPlan(CLI::App& app, absl::Status& status) {
  auto flags = std::make_shared<PlanFlags>();
  CLI::App* command = app.add_subcommand("plan", "Plan a cluster and predict its speed");
  command->add_option("model", flags->model, "A model, or a shape's name as of tern synth --shape")
      ->required();
  CLI::Option_group* workers = command->add_option_group("workers", "Where they come from");
  workers->add_option("--hosts", flags->hosts, "JSON file that describes machines");
  workers->add_option("--cluster", flags->cluster,
                      "HOST:PORT of `tern serve`, whose workers have measured themselves");
  workers->require_option(1);
  command->add_option("--streams", flags->streams, "Sequences that generate at once")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--context", flags->context,
                      "Tokens that each stream's KV cache has room for; 0: the model's context");
  AddKvChoice(*command, flags->kv);
  command->add_option("--objective", flags->objective, "What the plan is best for")
      ->check(CLI::IsMember({"throughput", "latency"}))
      ->capture_default_str();
  command->add_option("--tokens-per-second", flags->options.min_tokens_per_second,
                      "That all streams together must reach, whatever the objective");
  command->add_flag("--use-all", flags->options.use_all, "Leave no machine out");
  command->add_option("--replicas", flags->replicas, "Pipelines beside each other")
      ->capture_default_str();
  command->add_option("--prompt-tokens", flags->prompt_tokens, "N, N-M or exp:MEAN")
      ->capture_default_str();
  command->add_option("--output-tokens", flags->output_tokens, "N, N-M or exp:MEAN")
      ->capture_default_str();
  command
      ->add_option("--prefill-chunk", flags->simulation.prefill_chunk,
                   "Most prompt rows of one sequence in a step")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  AddSimulationFlags(*command, *flags);
  command->add_flag("--json", flags->json, "Print JSON");
  command->callback([flags, &status] { status = MakeReport(*flags); });
}

}  // namespace tern
