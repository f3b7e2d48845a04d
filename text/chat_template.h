// SPDX-License-Identifier: MIT
// How a text or a conversation becomes a prompt.
#ifndef TERN_TEXT_CHAT_TEMPLATE_H_
#define TERN_TEXT_CHAT_TEMPLATE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"

namespace tern {

// Token ids of a plain text that is to be continued, with bos before them where the tokenizer wants
// it.
std::vector<TokenId> EncodePrompt(const Tokenizer& tokenizer, const std::string& text);

// Token ids of a text that is complete: with eos after them, too, where the tokenizer wants it.
std::vector<TokenId> EncodeDocument(const Tokenizer& tokenizer, const std::string& text);

// Formats of conversations, to the byte in docs/formats.md.
enum class ChatFormat {
  kBitNet,   // "bitnet": `Role: text<|eot_id|>`
  kLlama3,   // "llama-3": `<|start_header_id|>role<|end_header_id|>\n\ntext<|eot_id|>`
  kChatMl,   // "chatml": `<|im_start|>role\ntext<|im_end|>\n`
  kFalcon3,  // "falcon3": `<|role|>\ntext\n`
  kQwen3,    // "qwen3": ChatML, without the thoughts of earlier answers
};

const char* ChatFormatName(ChatFormat format);

// INVALID_ARGUMENT, listing the names, for any other.
absl::StatusOr<ChatFormat> ParseChatFormat(const std::string& name);

// The format that a model's file asks for, by marks in its template; without a template, by the
// special tokens it has. FAILED_PRECONDITION, listing the names of those known, for a template that
// is none of them, or nothing to tell by.
absl::StatusOr<ChatFormat> DetectChatFormat(const Vocabulary& vocabulary);

struct ChatMessage {
  std::string role;  // "system", "user" or "assistant"
  std::string content;
};

// Token ids of the conversation and of the start of the assistant's turn, with bos where the
// tokenizer wants it. The text of a message is never read as control tokens. INVALID_ARGUMENT for
// an unknown role, no message, or a last message that is the assistant's; FAILED_PRECONDITION if
// the vocabulary has not the token that ends a turn of this format.
absl::StatusOr<std::vector<TokenId>> ApplyChatTemplate(const Tokenizer& tokenizer,
                                                       ChatFormat format,
                                                       const std::vector<ChatMessage>& messages);

}  // namespace tern

#endif  // TERN_TEXT_CHAT_TEMPLATE_H_
