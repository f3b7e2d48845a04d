// SPDX-License-Identifier: MIT
// The `tern` command: parses the command line and runs one subcommand.
#include <cstdio>
#include <string>

#include "absl/status/status.h"
#include "base/version.h"
#include "tools/commands.h"

namespace {

// Of a command that printed all that it had to say.
absl::Status EndOutput() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return absl::OkStatus();
  return absl::DataLossError("standard output: not all could be written");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Tern: a distributed inference cluster for ternary language models");
  app.set_version_flag("--version", std::string("tern ") + tern::kVersion);
  app.require_subcommand(1);
  app.failure_message(CLI::FailureMessage::help);
  absl::Status status;
  tern::AddServe(app, status);
  tern::AddWorker(app, status);
  tern::AddStatus(app, status);
  tern::AddTop(app, status);
  tern::AddDrain(app, status);
  tern::AddGenerate(app, status);
  tern::AddChat(app, status);
  tern::AddRun(app, status);
  tern::AddEmbed(app, status);
  tern::AddBench(app, status);
  tern::AddPerplexity(app, status);
  tern::AddScore(app, status);
  tern::AddLogits(app, status);
  tern::AddTokenize(app, status);
  tern::AddPlan(app, status);
  tern::AddInspect(app, status);
  tern::AddConvert(app, status);
  tern::AddQuantizeCheck(app, status);
  tern::AddSynth(app, status);
  CLI11_PARSE(app, argc, argv);
  status.Update(EndOutput());
  if (status.ok()) return 0;
  std::fprintf(stderr, "tern: %s\n", status.ToString().c_str());
  return 1;
}
