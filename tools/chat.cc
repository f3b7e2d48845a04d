// SPDX-License-Identifier: MIT
// `tern chat`: a conversation with a cluster, line by line, with history.
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "base/status_macros.h"
#include "tools/client.h"
#include "tools/commands.h"
#include "tools/generation_flags.h"

namespace tern {
namespace {

struct ChatFlags {
  std::string coordinator = "127.0.0.1:7000";
  std::string system;
  GenerationFlags generation;
};

// Asks for the assistant's next message and prints it as it comes. While the conversation is too
// long for the model's context, the oldest exchange is dropped, and that is said.
absl::StatusOr<std::string> Answer(Client& client, std::vector<ChatMessage>& messages,
                                   const GenerationFlags& flags) {
  const size_t first = messages.front().role == "system" ? 1 : 0;
  while (true) {
    std::string answer;
    const absl::StatusOr<GenerationSummary> summary =
        client.Chat(messages, flags, [&answer](const std::string& text) {
          std::fwrite(text.data(), 1, text.size(), stdout);
          std::fflush(stdout);
          answer += text;
        });
    if (summary.ok()) return answer;
    const bool too_long = absl::IsInvalidArgument(summary.status()) && messages.size() > first + 2;
    if (!too_long) return summary.status();
    std::fprintf(stderr, "(%s; forgetting the oldest exchange)\n",
                 std::string(summary.status().message()).c_str());
    messages.erase(messages.begin() + first, messages.begin() + first + 2);
  }
}

absl::Status Chat(const ChatFlags& flags) {
  Client client(flags.coordinator);
  std::vector<ChatMessage> messages;
  if (!flags.system.empty()) messages.push_back({"system", flags.system});
  const bool terminal = isatty(STDIN_FILENO);
  if (terminal) std::fputs("Type a message; Ctrl-D ends.\n", stderr);
  while (true) {
    if (terminal) std::fputs("> ", stderr);
    std::string line;
    if (!std::getline(std::cin, line)) break;
    if (line.empty()) continue;
    messages.push_back({"user", line});
    TERN_ASSIGN_OR_RETURN(std::string answer, Answer(client, messages, flags.generation));
    std::fputs("\n", stdout);
    messages.push_back({"assistant", std::move(answer)});
  }
  if (terminal) std::fputs("\n", stderr);
  return absl::OkStatus();
}

}  // namespace

void AddChat(CLI::App& app, absl::Status& status) {
  auto flags = std::make_shared<ChatFlags>();
  CLI::App* command = app.add_subcommand("chat", "Talk with a running cluster");
  command->add_option("--coordinator", flags->coordinator, "HOST:PORT of the coordinator")
      ->capture_default_str();
  command->add_option("--system", flags->system, "A system message to begin with");
  AddGenerationFlags(*command, flags->generation);
  command->callback([flags, &status] { status = Chat(*flags); });
}

}  // namespace tern
