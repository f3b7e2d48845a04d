// SPDX-License-Identifier: MIT
// `tern status`: the cluster at this moment.
#include <cstdio>
#include <memory>
#include <string>

#include "base/status_macros.h"
#include "tools/cluster_status.h"
#include "tools/commands.h"

namespace tern {
namespace {

struct StatusFlags {
  std::string coordinator = "127.0.0.1:7000";
  bool json = false;
};

absl::Status PrintStatus(const StatusFlags& flags) {
  TERN_ASSIGN_OR_RETURN(StatusReader reader, StatusReader::Create(flags.coordinator));
  TERN_ASSIGN_OR_RETURN(const v1::GetStatusResponse status, reader.Read());
  const std::string text = flags.json ? ToJson(status).dump(2) + "\n" : ToText(status);
  std::fputs(text.c_str(), stdout);
  return absl::OkStatus();
}

}  // namespace

void AddStatus(CLI::App& app, absl::Status& status) {
  auto flags = std::make_shared<StatusFlags>();
  CLI::App* command =
      app.add_subcommand("status", "Show a running cluster: plan, workers, requests, speed");
  command->add_option("--coordinator", flags->coordinator, "HOST:PORT of `tern serve`")
      ->capture_default_str();
  command->add_flag("--json", flags->json, "Print JSON");
  command->callback([flags, &status] { status = PrintStatus(*flags); });
}

}  // namespace tern
