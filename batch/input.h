// SPDX-License-Identifier: MIT
// Lines of the input. A line is a JSON object of one of two forms (docs/batch.md):
//
//   {"id"?, "prompt" | "messages", sampling fields ...}
//   {"custom_id", "method": "POST", "url": "/v1/...", "body": {...}}    OpenAI's batch files
#ifndef TERN_BATCH_INPUT_H_
#define TERN_BATCH_INPUT_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "batch/settings.h"
#include "coordinator/request.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace tern {

// A line may have at most so many bytes, like a request over the network.
inline constexpr size_t kMaxLineBytes = size_t{4} << 20;

struct BatchItem {
  uint64_t line = 0;       // from 1
  bool is_openai = false;  // the second form
  nlohmann::json id;       // a text or a whole number; null if the line has none
  std::string prompt;      // or
  std::vector<ChatMessage> messages;
  SamplingParams sampling;
  uint32_t max_tokens = 0;
  std::vector<std::string> stop;
  bool ignore_eos = false;
  bool token_ids = false;
  bool logprobs = false;      // of the tokens chosen, and
  uint32_t top_logprobs = 0;  // of so many that were likely

  bool is_chat() const { return !messages.empty(); }
};

struct ParsedLine {
  BatchItem item;       // what is known of it even if `status` is an error: line, form, id
  absl::Status status;  // INVALID_ARGUMENT, naming the field
};

// Fields that the line leaves out are those of `defaults`. A field that is not known is an error,
// for a misspelt one would be missed by nobody.
ParsedLine ParseLine(absl::string_view text, uint64_t line, const BatchSettings& defaults);

// The engine's request. Errors of `format` and of ApplyChatTemplate. REQUIRES an item without
// error.
absl::StatusOr<GenerationRequest> MakeRequest(const BatchItem& item, const Tokenizer& tokenizer,
                                              const absl::StatusOr<ChatFormat>& format);

}  // namespace tern

#endif  // TERN_BATCH_INPUT_H_
