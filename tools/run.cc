// SPDX-License-Identifier: MIT
// `tern run`: what a cluster does, in one process: the same engine and stages, linked by the
// in-process transport.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/cpuset.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/topology.h"
#include "text/chat_template.h"
#include "tools/commands.h"
#include "tools/generation_flags.h"
#include "tools/kv_choice.h"
#include "tools/local_cluster.h"
#include "tools/progress.h"

namespace tern {
namespace {

struct RunFlags {
  std::string model;
  std::string prompt;
  uint32_t stages = 1;
  size_t threads = 0;
  std::string cpuset = "auto";
  uint64_t memory_bytes = 0;
  std::string kernel;
  KvType kv = KvType::kF16;
  uint32_t context = 0;
  bool echo = false;
  GenerationFlags generation;
};

// Prints text as it comes and lets one thread wait for the end.
class Printer final : public GenerationListener {
 public:
  void OnToken(const GeneratedToken& token) override { Print(token.text); }

  void OnFinish(FinishReason reason, const std::string& tail, const absl::Status& status,
                const GenerationStats& stats) override {
    Print(tail + "\n");
    MutexLock lock(mu_);
    status_ = status;
    reason_ = reason;
    stats_ = stats;
    finished_ = true;
    ended_.NotifyAll();
  }

  absl::StatusOr<GenerationSummary> WaitForEnd(uint64_t seed) {
    MutexLock lock(mu_);
    while (!finished_) ended_.Wait(mu_);
    if (!status_.ok()) return status_;
    return GenerationSummary{.finish_reason = FinishReasonName(reason_),
                             .prompt_tokens = stats_.prompt_tokens,
                             .generated_tokens = stats_.generated_tokens,
                             .seed = seed,
                             .time_to_first_token = stats_.time_to_first_token,
                             .total = stats_.total};
  }

 private:
  static void Print(const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }

  Mutex mu_;
  CondVar ended_;
  bool finished_ ABSL_GUARDED_BY(mu_) = false;
  FinishReason reason_ ABSL_GUARDED_BY(mu_) = FinishReason::kStop;
  absl::Status status_ ABSL_GUARDED_BY(mu_);
  GenerationStats stats_ ABSL_GUARDED_BY(mu_);
};

// The stages share the processors of --cpuset: each gets an equal part, at least one.
absl::StatusOr<LocalClusterOptions> ClusterOptions(const RunFlags& flags, ProgressBar* bar) {
  LocalClusterOptions options;
  options.stages = flags.stages;
  options.isa = flags.kernel;
  options.may_cache = true;
  options.kv_type = flags.kv;
  options.context = flags.context;
  options.progress = [bar](float share) { bar->Update(share); };
  TERN_ASSIGN_OR_RETURN(const Topology topology, DetectTopology());
  TERN_ASSIGN_OR_RETURN(options.cpus, ParseCpuset(flags.cpuset, topology));
  options.l2_bytes = topology.l2_bytes;
  // Nine tenths, so that the rest of the machine can breathe.
  options.memory_bytes =
      flags.memory_bytes != 0 ? flags.memory_bytes : topology.memory_bytes / 10 * 9;
  const size_t cpus = options.cpus.empty() ? topology.cores.size() : options.cpus.size();
  const size_t share = flags.stages == 0 ? 1 : cpus / flags.stages;
  options.threads = flags.threads != 0 ? flags.threads : std::max<size_t>(1, share);
  return options;
}

absl::StatusOr<GenerationRequest> MakeRequest(const std::string& prompt, const Tokenizer& tokenizer,
                                              const RunFlags& flags) {
  GenerationRequest request;
  request.prompt = EncodePrompt(tokenizer, prompt);
  request.max_tokens = flags.generation.max_tokens;
  request.sampling = flags.generation.sampling;
  request.sampling.seed =
      flags.generation.seed.has_value() ? *flags.generation.seed : std::random_device()();
  request.stop = flags.generation.stop;
  if (!flags.generation.ignore_eos) request.stop_tokens = tokenizer.stop_tokens();
  return request;
}

absl::Status Run(const RunFlags& flags) {
  TERN_ASSIGN_OR_RETURN(const std::string prompt, PromptFrom(flags.prompt));
  TERN_RETURN_IF_ERROR(Validate(flags.generation.sampling));
  ProgressBar bar("loading");
  TERN_ASSIGN_OR_RETURN(const LocalClusterOptions options, ClusterOptions(flags, &bar));
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<LocalCluster> cluster,
                        LocalCluster::Open(flags.model, options));
  bar.Update(1);
  TERN_ASSIGN_OR_RETURN(GenerationRequest request,
                        MakeRequest(prompt, cluster->tokenizer(), flags));
  const uint64_t seed = request.sampling.seed;
  if (flags.echo) std::fputs(prompt.c_str(), stdout);
  auto printer = std::make_shared<Printer>();
  cluster->engine().Submit(std::move(request), printer);
  TERN_ASSIGN_OR_RETURN(const GenerationSummary summary, printer->WaitForEnd(seed));
  PrintSummary(summary);
  return absl::OkStatus();
}

}  // namespace

void AddRun(CLI::App& app, absl::Status& status) {
  auto flags = std::make_shared<RunFlags>();
  CLI::App* command = app.add_subcommand("run", "Stream text from a model in this process");
  command->add_option("model", flags->model, "GGUF file")->required();
  command->add_option("-p,--prompt", flags->prompt, "The prompt, or - for standard input")
      ->required();
  command->add_option("--stages", flags->stages, "Cut the model into so many stages")
      ->capture_default_str();
  command->add_option("--threads", flags->threads, "Of each stage; 0 shares out the cpuset")
      ->capture_default_str();
  command
      ->add_option("--cpuset", flags->cpuset,
                   "auto, numa:N, part:K/N, none, or a list such as 0-3,6")
      ->capture_default_str();
  command
      ->add_option("--memory", flags->memory_bytes,
                   "Bytes that weights and KV cache may take; 0: 90 % of the machine's")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str();
  command->add_option("--kernel", flags->kernel,
                      "Force kernels: an instruction set, a packing, or both, e.g. avx2,t2r16");
  AddKvChoice(*command, flags->kv);
  command
      ->add_option("--context", flags->context,
                   "Most tokens of the prompt and its answer, which the KV cache has room for; 0: "
                   "what the model allows")
      ->capture_default_str();
  command->add_flag("--echo", flags->echo, "Print the prompt before its continuation");
  AddGenerationFlags(*command, flags->generation);
  command->callback([flags, &status] { status = Run(*flags); });
}

}  // namespace tern
