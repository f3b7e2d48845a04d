// SPDX-License-Identifier: MIT
// How a text or a conversation becomes a prompt.
#ifndef TERN_TEXT_CHAT_TEMPLATE_H_
#define TERN_TEXT_CHAT_TEMPLATE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "text/tokenizer.h"

namespace tern {

// Token ids of a plain text, with bos before them where the tokenizer wants it.
std::vector<TokenId> EncodePrompt(const Tokenizer& tokenizer, const std::string& text);

struct ChatMessage {
  std::string role;  // "system", "user" or "assistant"
  std::string content;
};

// Token ids of the conversation and of the start of the assistant's turn, with bos where the
// tokenizer wants it. BitNet's own format: each message is `Role: text<|eot_id|>`, with the role
// capitalised and the text trimmed of ASCII white space, each encoded apart; then `Assistant: `.
// The text of a message is never read as special tokens. INVALID_ARGUMENT for an unknown role, no
// message, or a last message that is the assistant's; FAILED_PRECONDITION if the vocabulary has no
// <|eot_id|>.
absl::StatusOr<std::vector<TokenId>> ApplyChatTemplate(const Tokenizer& tokenizer,
                                                       const std::vector<ChatMessage>& messages);

}  // namespace tern

#endif  // TERN_TEXT_CHAT_TEMPLATE_H_
