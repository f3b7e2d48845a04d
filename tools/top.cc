// SPDX-License-Identifier: MIT
// `tern top`: the cluster, shown anew every second.
#include <cstdio>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "tools/cluster_status.h"
#include "tools/commands.h"
#include "tools/terminal.h"

namespace tern {
namespace {

constexpr absl::Duration kPeriod = absl::Seconds(1);

absl::Status PrintOnce(StatusReader& reader) {
  TERN_ASSIGN_OR_RETURN(const v1::GetStatusResponse status, reader.Read());
  std::printf("%s\n(no terminal here, so this is shown once)\n", ToText(status).c_str());
  return absl::OkStatus();
}

// A coordinator that is not there is shown, not an end: it may come back.
std::string Screen(const std::string& coordinator,
                   const absl::StatusOr<v1::GetStatusResponse>& status) {
  return absl::StrCat("tern top - ", coordinator, " - ",
                      absl::FormatTime("%H:%M:%S", absl::Now(), absl::LocalTimeZone()),
                      " - q quits\n\n",
                      status.ok() ? ToText(*status) : std::string(status.status().message()));
}

absl::Status Top(const std::string& coordinator) {
  const std::unique_ptr<Terminal> terminal = Terminal::Take();
  TERN_ASSIGN_OR_RETURN(StatusReader reader, StatusReader::Create(coordinator));
  if (terminal == nullptr) return PrintOnce(reader);
  do {
    terminal->Draw(Screen(coordinator, reader.Read()));
  } while (!terminal->WaitForQuit(kPeriod));
  return absl::OkStatus();
}

}  // namespace

void AddTop(CLI::App& app, absl::Status& status) {
  auto coordinator = std::make_shared<std::string>("127.0.0.1:7000");
  CLI::App* command = app.add_subcommand("top", "Watch a running cluster");
  command->add_option("--coordinator", *coordinator, "HOST:PORT of `tern serve`")
      ->capture_default_str();
  command->callback([coordinator, &status] { status = Top(*coordinator); });
}

}  // namespace tern
