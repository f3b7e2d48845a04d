// SPDX-License-Identifier: MIT
// `tern generate`: streams the continuation of a prompt from a cluster.
#include <cstdio>
#include <iterator>
#include <memory>
#include <set>
#include <string>

#include "base/status_macros.h"
#include "tools/client.h"
#include "tools/commands.h"
#include "tools/generation_flags.h"

namespace tern {
namespace {

struct GenerateFlags {
  std::string prompt;
  std::string coordinator = "127.0.0.1:7000";
  GenerationFlags generation;
  double wait_seconds = 0;
  bool echo = false;
};

void PrintText(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

absl::Status Generate(const GenerateFlags& flags) {
  TERN_ASSIGN_OR_RETURN(const std::string prompt, PromptFrom(flags.prompt));
  Client client(flags.coordinator);
  if (flags.wait_seconds > 0) {
    TERN_RETURN_IF_ERROR(client.WaitUntilServing(absl::Seconds(flags.wait_seconds)));
  }
  if (flags.echo) PrintText(prompt);
  const absl::StatusOr<GenerationSummary> summary =
      client.Generate(prompt, flags.generation, PrintText);
  PrintText("\n");
  if (summary.ok()) PrintSummary(*summary);
  return summary.status();
}

}  // namespace

void AddGenerate(CLI::App& app, absl::Status& status) {
  auto flags = std::make_shared<GenerateFlags>();
  CLI::App* command = app.add_subcommand("generate", "Stream text from a running cluster");
  command->add_option("prompt", flags->prompt, "The prompt, or - for standard input")->required();
  command->add_option("--coordinator", flags->coordinator, "HOST:PORT of the coordinator")
      ->capture_default_str();
  command->add_option("--wait", flags->wait_seconds,
                      "Seconds to wait until the cluster is ready; 0 fails at once");
  command->add_flag("--echo", flags->echo, "Print the prompt before its continuation");
  AddGenerationFlags(*command, flags->generation);
  command
      ->add_option("--samples", flags->generation.samples,
                   "So many continuations, printed one after the other at the end; sample i has "
                   "the seed of the first, plus i")
      ->capture_default_str();
  command
      ->add_option("--priority", flags->generation.priority,
                   "Who goes first of those that wait: low, normal or high")
      ->check(CLI::IsMember(std::set<std::string>(std::begin(kPriorities), std::end(kPriorities))))
      ->capture_default_str();
  command->callback([flags, &status] { status = Generate(*flags); });
}

}  // namespace tern
