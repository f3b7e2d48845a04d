// SPDX-License-Identifier: MIT
// `tern bench mpi`: what batches over MPI reach on this machine, beside workers over sockets.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/cpuset.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/topology.h"
#include "bench/tables.h"
#include "bench/text_file.h"
#include "tools/commands.h"
#include "tools/local_model.h"
#include "tools/mpi_comparison.h"
#include "tools/progress.h"
#include "tools/scratch_folder.h"

namespace tern {
namespace {

struct BenchMpiFlags {
  std::string model;
  size_t ranks = 2;
  MpiComparisonOptions options;
  std::string json;
};

// The processors that ranks of one thread pin themselves to.
absl::StatusOr<std::vector<int>> CpusOfRanks(const Topology& topology, size_t ranks) {
  if (topology.Cpus().size() < ranks) {
    return absl::FailedPreconditionError(absl::StrCat("--ranks: found ", ranks, ", want at most ",
                                                      topology.Cpus().size(),
                                                      ", one for each processor"));
  }
  std::vector<int> cpus;
  for (size_t rank = 0; rank < ranks; ++rank) {
    TERN_ASSIGN_OR_RETURN(const std::vector<int> share,
                          ParseCpuset(absl::StrCat("part:", rank + 1, "/", ranks), topology));
    cpus.push_back(share.front());
  }
  return cpus;
}

absl::Status Bench(const BenchMpiFlags& flags) {
  SetLogLevel(LogLevel::kWarning);  // of a coordinator and its workers
  const MpiComparisonOptions& options = flags.options;
  TERN_ASSIGN_OR_RETURN(const ScratchFolder scratch, ScratchFolder::Make());
  // Room for every token of a word to be a letter.
  const uint64_t kv_tokens = uint64_t{options.streams} * (10 * options.words + options.tokens + 64);
  TERN_ASSIGN_OR_RETURN(const MpiLauncher mpi, MpiLauncher::Find({.model = flags.model,
                                                                  .ranks = flags.ranks,
                                                                  .kv_tokens = kv_tokens,
                                                                  .scratch = scratch.path()}));
  // Does not count: the first job of a build measures its kernels. And finds a missing mpirun.
  TERN_RETURN_IF_ERROR(mpi.TimeToFirstToken().status());
  TERN_ASSIGN_OR_RETURN(const Topology topology, DetectTopology());
  TERN_ASSIGN_OR_RETURN(const OpenedModel model, OpenModel(flags.model, /*needs_tokenizer=*/true));
  DeploymentOptions deployment;
  deployment.model = flags.model;
  deployment.config = model.file->config();
  TERN_ASSIGN_OR_RETURN(deployment.cpus, CpusOfRanks(topology, flags.ranks));
  deployment.streams = options.streams;
  deployment.scratch = scratch.path();
  deployment.kv_tokens = kv_tokens;
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<Deployment> workers,
                        DeployWorkers(deployment, Links::kUnixSockets));
  TERN_ASSIGN_OR_RETURN(const Kernels kernels, ChooseKernels(""));
  const Machine machine = DescribeMachine(topology, kernels);
  ProgressBar bar("rounds");
  TERN_ASSIGN_OR_RETURN(const MpiComparison comparison,
                        CompareMpi(mpi, *workers, *model.tokenizer, options,
                                   [&bar](double share) { bar.Update(share); }));
  std::fputs(absl::StrCat(FormatMachine(machine), "\n", FormatMpi(comparison, options)).c_str(),
             stdout);
  if (flags.json.empty()) return absl::OkStatus();
  return WriteTextFile(flags.json, MpiJson(machine, comparison, options));
}

}  // namespace

void AddBenchMpi(CLI::App& bench, absl::Status& status) {
  auto flags = std::make_shared<BenchMpiFlags>();
  CLI::App* command = bench.add_subcommand(
      "mpi", "The same work by ranks of mpirun and by workers; hops, start and memory of ranks");
  command->add_option("model", flags->model, "GGUF file or Hugging Face directory")->required();
  command->add_option("--ranks", flags->ranks, "And workers, of one thread each")
      ->check(CLI::Range(2, 64))
      ->capture_default_str();
  MpiComparisonOptions& options = flags->options;
  command->add_option("--repeat", options.repeat, "Rounds")
      ->check(CLI::Range(1u, 1000u))
      ->capture_default_str();
  command->add_option("--streams", options.streams, "Sequences that generate at once")
      ->check(CLI::Range(1u, 1024u))
      ->capture_default_str();
  command->add_option("--tokens", options.tokens, "That each generates")
      ->check(CLI::Range(2u, 4096u))
      ->capture_default_str();
  command->add_option("--words", options.words, "Of each prompt, random ones")
      ->check(CLI::Range(1u, 1024u))
      ->capture_default_str();
  command->add_option("--json", flags->json, "Write the results to this file, too");
  command->callback([flags, &status] { status = Bench(*flags); });
}

}  // namespace tern
