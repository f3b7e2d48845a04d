// SPDX-License-Identifier: MIT
// The subcommands of `tern`, one file each. Each function registers one subcommand on `app`; if the
// user chose it, its callback leaves the outcome in `status`.
#ifndef TERN_TOOLS_COMMANDS_H_
#define TERN_TOOLS_COMMANDS_H_

#include <CLI/CLI.hpp>

#include "absl/status/status.h"

namespace tern {

void AddBench(CLI::App& app, absl::Status& status);
void AddBenchCluster(CLI::App& bench, absl::Status& status);  // a subcommand of bench
void AddBenchMpi(CLI::App& bench, absl::Status& status);      // and another
void AddChat(CLI::App& app, absl::Status& status);
void AddConvert(CLI::App& app, absl::Status& status);
void AddDrain(CLI::App& app, absl::Status& status);
void AddEmbed(CLI::App& app, absl::Status& status);
void AddGenerate(CLI::App& app, absl::Status& status);
void AddInspect(CLI::App& app, absl::Status& status);
void AddLogits(CLI::App& app, absl::Status& status);
void AddPerplexity(CLI::App& app, absl::Status& status);
void AddPlan(CLI::App& app, absl::Status& status);
void AddQuantizeCheck(CLI::App& app, absl::Status& status);
void AddRun(CLI::App& app, absl::Status& status);
void AddScore(CLI::App& app, absl::Status& status);
void AddServe(CLI::App& app, absl::Status& status);
void AddStatus(CLI::App& app, absl::Status& status);
void AddSynth(CLI::App& app, absl::Status& status);
void AddTokenize(CLI::App& app, absl::Status& status);  // and detokenize
void AddTop(CLI::App& app, absl::Status& status);
void AddWorker(CLI::App& app, absl::Status& status);

}  // namespace tern

#endif  // TERN_TOOLS_COMMANDS_H_
