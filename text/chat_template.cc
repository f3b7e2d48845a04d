// SPDX-License-Identifier: MIT
#include "text/chat_template.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"

namespace tern {
namespace {

// The tokens of a prompt. Ordinary text that adjoins is encoded together, as if the whole prompt
// had been rendered first.
class PromptBuilder {
 public:
  explicit PromptBuilder(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {
    if (tokenizer.add_bos()) ids_.push_back(*tokenizer.bos());
  }

  PromptBuilder& Text(absl::string_view text) {
    absl::StrAppend(&text_, text);
    return *this;
  }
  // The control token of this name, or its name as text if the vocabulary has none.
  PromptBuilder& Special(absl::string_view name) {
    const std::optional<TokenId> id = tokenizer_.Special(name);
    if (!id) return Text(name);
    Cut();
    ids_.push_back(*id);
    return *this;
  }
  // What follows is encoded apart.
  PromptBuilder& Cut() {
    if (text_.empty()) return *this;
    const std::vector<TokenId> more = tokenizer_.Encode(text_);
    ids_.insert(ids_.end(), more.begin(), more.end());
    text_.clear();
    return *this;
  }
  std::vector<TokenId> Finish() {
    Cut();
    return std::move(ids_);
  }

 private:
  const Tokenizer& tokenizer_;
  std::string text_;
  std::vector<TokenId> ids_;
};

// Jinja's trim: white space of Unicode, of which text has the ASCII part.
absl::string_view Trim(absl::string_view text) { return absl::StripAsciiWhitespace(text); }

// Heading and text are encoded apart, as by BitNet's own gpu/tokenizer.py: so the assistant's first
// token follows the same "Assistant: " in a prompt as in a transcript.
void AddBitNetHeading(std::string role, PromptBuilder& prompt) {
  role[0] = absl::ascii_toupper(static_cast<unsigned char>(role[0]));
  prompt.Text(role + ": ").Cut();
}
void AddBitNet(const ChatMessage& message, bool /*is_last*/, PromptBuilder& prompt) {
  AddBitNetHeading(message.role, prompt);
  prompt.Text(Trim(message.content)).Special("<|eot_id|>");
}
void OpenBitNet(PromptBuilder& prompt) { AddBitNetHeading("assistant", prompt); }

void AddLlama3Heading(const std::string& role, PromptBuilder& prompt) {
  prompt.Special("<|start_header_id|>").Text(role).Special("<|end_header_id|>").Text("\n\n");
}
void AddLlama3(const ChatMessage& message, bool /*is_last*/, PromptBuilder& prompt) {
  AddLlama3Heading(message.role, prompt);
  prompt.Text(Trim(message.content)).Special("<|eot_id|>");
}
void OpenLlama3(PromptBuilder& prompt) { AddLlama3Heading("assistant", prompt); }

void AddChatMl(const ChatMessage& message, bool /*is_last*/, PromptBuilder& prompt) {
  prompt.Special("<|im_start|>").Text(message.role + "\n").Text(message.content);
  prompt.Special("<|im_end|>").Text("\n");
}
void OpenChatMl(PromptBuilder& prompt) { prompt.Special("<|im_start|>").Text("assistant\n"); }

void AddFalcon3(const ChatMessage& message, bool is_last, PromptBuilder& prompt) {
  prompt.Special(absl::StrCat("<|", message.role, "|>")).Text("\n").Text(message.content);
  if (message.role == "assistant") prompt.Special("<|endoftext|>");
  if (message.role != "assistant" || !is_last) prompt.Text("\n");
}
void OpenFalcon3(PromptBuilder& prompt) { prompt.Special("<|assistant|>").Text("\n"); }

// Thoughts of earlier turns are left out.
void AddQwen3(const ChatMessage& message, bool is_last, PromptBuilder& prompt) {
  constexpr absl::string_view kEndOfThoughts = "</think>";
  absl::string_view content = message.content;
  const size_t end = message.role == "assistant" ? content.rfind(kEndOfThoughts) : content.npos;
  if (end != content.npos) {
    content.remove_prefix(end + kEndOfThoughts.size());
    while (absl::StartsWith(content, "\n")) content.remove_prefix(1);
  }
  AddChatMl({message.role, std::string(content)}, is_last, prompt);
}

struct Format {
  ChatFormat format;
  const char* name;
  const char* end_of_turn;
  void (*add)(const ChatMessage& message, bool is_last, PromptBuilder& prompt);
  void (*open)(PromptBuilder& prompt);  // the assistant's turn
};

constexpr Format kFormats[] = {
    {ChatFormat::kBitNet, "bitnet", "<|eot_id|>", AddBitNet, OpenBitNet},
    {ChatFormat::kLlama3, "llama-3", "<|eot_id|>", AddLlama3, OpenLlama3},
    {ChatFormat::kChatMl, "chatml", "<|im_end|>", AddChatMl, OpenChatMl},
    {ChatFormat::kFalcon3, "falcon3", "<|endoftext|>", AddFalcon3, OpenFalcon3},
    {ChatFormat::kQwen3, "qwen3", "<|im_end|>", AddQwen3, OpenChatMl},
};

const Format& Find(ChatFormat format) { return kFormats[static_cast<size_t>(format)]; }

std::string KnownNames() {
  return absl::StrJoin(kFormats, ", ",
                       [](std::string* out, const Format& f) { absl::StrAppend(out, f.name); });
}

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

}  // namespace

std::vector<TokenId> EncodePrompt(const Tokenizer& tokenizer, const std::string& text) {
  std::vector<TokenId> ids = tokenizer.Encode(text);
  if (tokenizer.add_bos()) ids.insert(ids.begin(), *tokenizer.bos());
  return ids;
}

std::vector<TokenId> EncodeDocument(const Tokenizer& tokenizer, const std::string& text) {
  std::vector<TokenId> ids = EncodePrompt(tokenizer, text);
  if (tokenizer.add_eos()) ids.push_back(*tokenizer.eos());
  return ids;
}

const char* ChatFormatName(ChatFormat format) { return Find(format).name; }

absl::StatusOr<ChatFormat> ParseChatFormat(const std::string& name) {
  for (const Format& format : kFormats) {
    if (name == format.name) return format.format;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("chat template: found \"", name, "\", want one of ", KnownNames()));
}

absl::StatusOr<ChatFormat> DetectChatFormat(const Vocabulary& vocabulary) {
  const std::string& text = vocabulary.chat_template;
  const auto says = [&](absl::string_view mark) { return absl::StrContains(text, mark); };
  const auto has = [&](absl::string_view token) {
    return std::find(vocabulary.tokens.begin(), vocabulary.tokens.end(), token) !=
           vocabulary.tokens.end();
  };
  if (says("<|start_header_id|>")) return ChatFormat::kLlama3;
  if (says("<|im_start|>")) {
    return says("think>") || says("enable_thinking") ? ChatFormat::kQwen3 : ChatFormat::kChatMl;
  }
  if (says("<|assistant|>") && says("<|user|>") && !says("<|end|>") && !says("</s>")) {
    return ChatFormat::kFalcon3;
  }
  // BitNet's template, and the wrong one of its first files ("Human:", "BITNETAssistant:").
  const bool is_bitnet = says("BITNETAssistant") || (says("capitalize") && says("<|eot_id|>"));
  if (is_bitnet && has("<|eot_id|>")) return ChatFormat::kBitNet;
  if (text.empty()) {
    if (has("<|im_start|>") && has("<|im_end|>")) return ChatFormat::kChatMl;
    if (has("<|eot_id|>")) return ChatFormat::kBitNet;
  }
  return absl::FailedPreconditionError(
      absl::StrCat(vocabulary.source, ": tokenizer.chat_template: found ",
                   text.empty() ? "none" : "one that this build does not know",
                   "; name one with --chat-template: ", KnownNames()));
}

absl::StatusOr<std::vector<TokenId>> ApplyChatTemplate(const Tokenizer& tokenizer,
                                                       ChatFormat format,
                                                       const std::vector<ChatMessage>& messages) {
  TERN_RETURN_IF_ERROR(CheckMessages(messages));
  const Format& f = Find(format);
  if (!tokenizer.Special(f.end_of_turn)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "vocabulary: it has no ", f.end_of_turn, ", which the chat template ", f.name, " needs"));
  }
  PromptBuilder prompt(tokenizer);
  for (const ChatMessage& message : messages) {
    f.add(message, &message == &messages.back(), prompt);
  }
  f.open(prompt);
  return prompt.Finish();
}

}  // namespace tern
