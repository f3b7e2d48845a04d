// SPDX-License-Identifier: MIT
// `tern serve`: the coordinator of a cluster.
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/open_files.h"
#include "base/status_macros.h"
#include "coordinator/coordinator.h"
#include "tools/commands.h"
#include "tools/kv_choice.h"
#include "tools/log_flag.h"
#include "tools/progress.h"
#include "tools/stop_signals.h"

namespace tern {
namespace {

// Below this a word is due that clients may be too many: each is an open file.
constexpr uint64_t kEnoughFiles = 4096;

// How long running requests may take to end after the first signal.
constexpr absl::Duration kDrain = absl::Seconds(10);

struct ServeFlags {
  CoordinatorOptions options;
  std::string objective = "throughput";
  std::string port_file;
  double recovery_seconds = absl::ToDoubleSeconds(CoordinatorOptions().recovery_timeout);
};

// The file appears complete, or not at all; a pipe that is there already is written to.
absl::Status WritePortFile(const std::string& path, uint16_t port) {
  std::error_code none;
  const bool is_pipe = std::filesystem::is_fifo(path, none);
  const std::string part = is_pipe ? path : path + ".part";
  errno = 0;
  std::ofstream file(part);
  file << port << "\n";
  file.close();
  if (file.good() && (is_pipe || std::rename(part.c_str(), path.c_str()) == 0)) {
    return absl::OkStatus();
  }
  const int reason = errno == 0 ? EIO : errno;
  return absl::ErrnoToStatus(reason, absl::StrCat("--port-file ", path, ": cannot be written"));
}

absl::Status Serve(const ServeFlags& flags) {
  StopSignals signals;
  const uint64_t files = RaiseOpenFileLimit();
  if (files < kEnoughFiles) {
    LogWarning("at most ", files,
               " files may be open, and each client and worker is one: raise "
               "`ulimit -Hn` for more");
  }
  CoordinatorOptions options = flags.options;
  options.recovery_timeout = absl::Seconds(flags.recovery_seconds);
  options.objective = flags.objective == "latency" ? Objective::kLatency : Objective::kThroughput;
  ProgressBar bar("hashing the model");
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<Coordinator> coordinator,
                        Coordinator::Create(options, [&](float share) { bar.Update(share); }));
  LogInfo("listening on ", coordinator->address(), "; waiting for ", options.workers, " worker",
          options.workers == 1 ? "" : "s");
  if (!flags.port_file.empty()) {
    TERN_RETURN_IF_ERROR(WritePortFile(flags.port_file, coordinator->port()));
  }
  signals.Wait();
  if (!coordinator->Drain(kDrain)) LogWarning("requests that still run are cut off");
  return absl::OkStatus();
}

}  // namespace

void AddServe(CLI::App& app, absl::Status& status) {
  auto flags = std::make_shared<ServeFlags>();
  CoordinatorOptions& options = flags->options;
  CLI::App* command = app.add_subcommand("serve", "Coordinate a cluster of workers");
  command->add_option("--model", options.model_path, "GGUF file or Hugging Face directory")
      ->required();
  command->add_option(
      "--chat-template", options.chat_template,
      "Format of conversations: bitnet, llama-3, chatml, falcon3 or qwen3; default: as "
      "the model's file says");
  command->add_option("--listen", options.listen, "HOST:PORT; port 0 takes any")
      ->capture_default_str();
  command->add_option("--port-file", flags->port_file,
                      "Write the port to this file once it is open, for scripts");
  command
      ->add_option("--workers", options.workers,
                   "Wait for so many at the start, and use as many whenever they are there")
      ->capture_default_str();
  command
      ->add_option("--max-workers", options.max_workers,
                   "Use at most so many; 0: as many as make it better")
      ->capture_default_str();
  command
      ->add_option("--move-gain", options.move_gain,
                   "Share by which another plan must be better before the cluster moves to it")
      ->capture_default_str();
  command->add_option("--objective", flags->objective, "What the plan is best for")
      ->check(CLI::IsMember({"throughput", "latency"}))
      ->capture_default_str();
  command->add_option("--streams", options.streams, "Sequences that generate at once, to plan for")
      ->capture_default_str();
  command
      ->add_option("--prompt-ratio", options.prompt_ratio,
                   "Tokens of prompts for each that is generated, to plan for")
      ->check(CLI::Range(0.0, 1000.0))
      ->capture_default_str();
  command
      ->add_option("--context", options.context,
                   "Most tokens of a prompt and its answer; 0: what the model allows")
      ->capture_default_str();
  command
      ->add_option("--kv-tokens", options.kv_tokens,
                   "KV cache over all sequences, in tokens, at least the context; 0: twice that")
      ->capture_default_str();
  AddKvChoice(*command, options.kv_type);
  const Choices<WireType> wires = {{"f32", WireType::kF32}, {"bf16", WireType::kBf16}};
  AddChoice(*command, "--wire", options.wire, wires,
            "Activations between workers; bf16 takes half the bytes, gives other tokens and "
            "changes the sample model's perplexity by less than 0.01 % a link")
      ->default_str("f32");
  command->add_option("--max-rows", options.max_rows, "Most rows of a step")->capture_default_str();
  command
      ->add_option("--prefill-chunk", options.prefill_chunk,
                   "Most prompt rows of one sequence in a step")
      ->capture_default_str();
  command
      ->add_option("--recovery-timeout", flags->recovery_seconds,
                   "Seconds that requests wait for another pipeline when theirs is lost; 0: they "
                   "end at once")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--metrics", options.metrics,
                      "HOST:PORT where Prometheus may read, at /metrics; default: nowhere");
  AddLogFlag(*command);
  command->add_flag("--insecure", options.insecure,
                    "Allow an address off loopback, without encryption or authentication");
  command->callback([flags, &status] { status = Serve(*flags); });
}

}  // namespace tern
