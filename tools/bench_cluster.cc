// SPDX-License-Identifier: MIT
// `tern bench cluster`: what distribution costs on this machine.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/cpuset.h"
#include "base/status_macros.h"
#include "base/topology.h"
#include "bench/machine.h"
#include "model/model_file.h"
#include "partition/plan.h"
#include "tools/cluster_report.h"
#include "tools/commands.h"
#include "tools/progress.h"
#include "tools/scratch_folder.h"

namespace tern {
namespace {

struct BenchClusterFlags {
  std::string model;
  std::string cpuset = "auto";
  size_t workers = 2;
  uint32_t link_mbit = 100;
  double prompt_ratio = PlanOptions().prompt_ratio;
  ClusterBenchOptions options;
  std::string json;
};

// Those over slow links only if options.link_mbit is not 0.
absl::StatusOr<std::vector<NamedDeployment>> Deploy(const DeploymentOptions& options) {
  const size_t cpus = options.cpus.size();
  std::vector<NamedDeployment> deployments;
  const auto add_stages = [&](const std::string& name, uint32_t stages) -> absl::Status {
    TERN_ASSIGN_OR_RETURN(std::unique_ptr<Deployment> local, DeployLocally(options, stages));
    deployments.push_back({.name = name, .deployment = std::move(local)});
    return absl::OkStatus();
  };
  const auto add_workers = [&](const std::string& sockets, Links links) -> absl::Status {
    TERN_ASSIGN_OR_RETURN(std::unique_ptr<Deployment> workers, DeployWorkers(options, links));
    deployments.push_back({.name = absl::StrCat(cpus, " workers, 1 thread each, ", sockets),
                           // To the coordinator and back, too.
                           .links = static_cast<uint32_t>(cpus + 1),
                           .tcp = links != Links::kUnixSockets,
                           .link_mbit = links == Links::kSlowTcp ? options.link_mbit : 0,
                           .deployment = std::move(workers)});
    return absl::OkStatus();
  };
  TERN_RETURN_IF_ERROR(add_stages(absl::StrCat("1 process, ", cpus, " threads"), 1));
  TERN_RETURN_IF_ERROR(
      add_stages(absl::StrCat(cpus, " stages in a process"), static_cast<uint32_t>(cpus)));
  TERN_RETURN_IF_ERROR(add_workers("unix sockets", Links::kUnixSockets));
  TERN_RETURN_IF_ERROR(add_workers("TCP", Links::kTcp));
  if (options.link_mbit > 0) {
    TERN_RETURN_IF_ERROR(
        add_workers(absl::StrCat("TCP at ", options.link_mbit, " Mbit/s"), Links::kSlowTcp));
  }
  return deployments;
}

uint32_t MostStreams(const ClusterBenchOptions& options) {
  return std::max(options.streams, options.many_streams);
}

absl::Status CheckRoom(const ClusterBenchOptions& options, uint32_t context) {
  const uint32_t prompt = std::max(options.prompt, options.long_prompt);
  if (prompt >= context) {
    return absl::InvalidArgumentError(absl::StrCat("prompt: found ", prompt,
                                                   " tokens, want at most ", context - 1,
                                                   ", one less than the context"));
  }
  const uint32_t most = MostStreamTokens(MostStreams(options), options.tokens);
  if (most > context) {
    return absl::InvalidArgumentError(
        absl::StrCat("--tokens: found ", options.tokens, " while ", MostStreams(options),
                     " streams generate: each may need ", most, ", and the context has ", context));
  }
  return absl::OkStatus();
}

uint64_t KvTokens(const ClusterBenchOptions& options) {
  const uint64_t streams = MostStreams(options);
  const uint64_t stream = MostStreamTokens(MostStreams(options), options.tokens) + kKvPageTokens;
  const uint64_t prompt = std::max(options.prompt, options.long_prompt) + uint64_t{1};
  return streams * stream + 2 * std::max(prompt, stream);
}

absl::Status Bench(const BenchClusterFlags& flags) {
  TERN_ASSIGN_OR_RETURN(const Topology topology, DetectTopology());
  TERN_ASSIGN_OR_RETURN(std::vector<int> cpus, ParseCpuset(flags.cpuset, topology));
  if (cpus.size() < flags.workers) {
    return absl::FailedPreconditionError(absl::StrCat("--workers: found ", flags.workers,
                                                      ", want at most ", cpus.size(),
                                                      ", one for each processor"));
  }
  cpus.resize(flags.workers);
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<ModelFile> file, ModelFile::Open(flags.model));
  ClusterBenchOptions options = flags.options;
  options.cpus = cpus;
  TERN_RETURN_IF_ERROR(CheckRoom(options, file->config().context));
  TERN_ASSIGN_OR_RETURN(const ScratchFolder scratch, ScratchFolder::Make());
  DeploymentOptions deployment;
  deployment.model = flags.model;
  deployment.config = file->config();
  deployment.cpus = cpus;
  deployment.streams = options.streams;
  deployment.prompt_ratio = flags.prompt_ratio;
  deployment.link_mbit = flags.link_mbit;
  deployment.scratch = scratch.path();
  deployment.kv_tokens = KvTokens(options);

  TERN_ASSIGN_OR_RETURN(const std::vector<NamedDeployment> deployments, Deploy(deployment));

  TERN_ASSIGN_OR_RETURN(const Kernels kernels, ChooseKernels(""));
  const Machine machine = DescribeMachine(topology, kernels);
  ClusterReport report;
  {
    ProgressBar bar("rounds");
    report = BenchCluster(deployments, file->config(), options,
                          [&bar](double share) { bar.Update(share); });
  }
  return PublishCluster(machine, report, options, stdout, flags.json);
}

}  // namespace

void AddBenchCluster(CLI::App& bench, absl::Status& status) {
  auto flags = std::make_shared<BenchClusterFlags>();
  CLI::App* command = bench.add_subcommand(
      "cluster", "The same work by one process and by workers, over sockets of this machine");
  command->add_option("model", flags->model, "GGUF file or Hugging Face directory")->required();
  command->add_option("--workers", flags->workers, "One thread each")
      ->check(CLI::Range(2, 64))
      ->capture_default_str();
  command
      ->add_option("--link-mbit", flags->link_mbit,
                   "Mbit/s of the slow links, in each direction; 0: no workers over such")
      ->check(CLI::Range(0u, 100000u))
      ->capture_default_str();
  command
      ->add_option("--prompt-ratio", flags->prompt_ratio,
                   "Tokens of prompts for each that is generated, for the workers' plan")
      ->check(CLI::Range(0.0, 1000.0))
      ->capture_default_str();
  command->add_option("--cpuset", flags->cpuset, "Processors to pin to")->capture_default_str();
  ClusterBenchOptions& options = flags->options;
  command->add_option("--repeat", options.repeat, "Rounds")
      ->check(CLI::Range(1u, 1000u))
      ->capture_default_str();
  command
      ->add_option("--streams", options.streams,
                   "Sequences that generate at once, from one token each")
      ->check(CLI::Range(1u, 1024u))
      ->capture_default_str();
  command
      ->add_option("--tokens", options.tokens,
                   "That each generates, from when all of them do until all have theirs")
      ->check(CLI::Range(2u, 4096u))
      ->capture_default_str();
  command->add_option("--prompt", options.prompt, "Tokens of the prompt that is timed")
      ->check(CLI::Range(1u, 1u << 20))
      ->capture_default_str();
  command
      ->add_option("--long-prompt", options.long_prompt,
                   "Tokens of the prompt that comes beside short requests; 0: none does")
      ->check(CLI::Range(0u, 1u << 20))
      ->capture_default_str();
  command->add_option("--many-streams", options.many_streams, "To weigh the scheduler by")
      ->check(CLI::Range(1u, 1024u))
      ->capture_default_str();
  command
      ->add_option("--idle-streams", options.idle_streams,
                   "Clients of a coordinator that ask for nothing, to see what they cost; 0: none")
      ->check(CLI::Range(0u, 100000u))
      ->capture_default_str();
  command->add_option("--json", flags->json, "Write the results to this file, too");
  command->callback([flags, &status] { status = Bench(*flags); });
}

}  // namespace tern
