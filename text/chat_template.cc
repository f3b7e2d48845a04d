// SPDX-License-Identifier: MIT
#include "text/chat_template.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace tern {
namespace {

absl::Status CheckMessages(const std::vector<ChatMessage>& messages) {
  if (messages.empty())
    return absl::InvalidArgumentError("messages: found none, want at least one");
  for (size_t i = 0; i < messages.size(); ++i) {
    const std::string& role = messages[i].role;
    if (role != "system" && role != "user" && role != "assistant") {
      return absl::InvalidArgumentError(absl::StrCat("messages[", i, "].role: found \"", role,
                                                     "\", want system, user or assistant"));
    }
  }
  if (messages.back().role == "assistant") {
    return absl::InvalidArgumentError(
        "messages: found the assistant's turn last, want the user's or the system's");
  }
  return absl::OkStatus();
}

// "User: ".
std::string Heading(std::string role) {
  role[0] = absl::ascii_toupper(static_cast<unsigned char>(role[0]));
  return role + ": ";
}

}  // namespace

std::vector<TokenId> EncodePrompt(const Tokenizer& tokenizer, const std::string& text) {
  std::vector<TokenId> ids = tokenizer.Encode(text);
  if (tokenizer.add_bos()) ids.insert(ids.begin(), *tokenizer.bos());
  return ids;
}

absl::StatusOr<std::vector<TokenId>> ApplyChatTemplate(const Tokenizer& tokenizer,
                                                       const std::vector<ChatMessage>& messages) {
  const absl::Status checked = CheckMessages(messages);
  if (!checked.ok()) return checked;
  const std::optional<TokenId> end_of_turn = tokenizer.Special("<|eot_id|>");
  if (!end_of_turn) {
    return absl::FailedPreconditionError("vocabulary: it has no <|eot_id|>, which a chat needs");
  }

  std::vector<TokenId> ids;
  const auto append = [&](absl::string_view text) {
    const std::vector<TokenId> more = tokenizer.Encode(text);
    ids.insert(ids.end(), more.begin(), more.end());
  };
  if (tokenizer.add_bos()) ids.push_back(*tokenizer.bos());
  for (const ChatMessage& message : messages) {
    // Heading and text are encoded apart, as by BitNet's own gpu/tokenizer.py: so the assistant's
    // first token follows the same "Assistant: " in a prompt as in a transcript.
    append(Heading(message.role));
    append(absl::StripAsciiWhitespace(message.content));
    ids.push_back(*end_of_turn);
  }
  append(Heading("assistant"));
  return ids;
}

}  // namespace tern
