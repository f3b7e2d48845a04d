// SPDX-License-Identifier: MIT
// Reads tiktoken's files of byte pairs, as Llama 3 and BitNet come with: a line for each token, its
// bytes in base64 and its rank.
#ifndef TERN_TEXT_TIKTOKEN_H_
#define TERN_TEXT_TIKTOKEN_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "text/vocabulary.h"

namespace tern {

// The tokens, the merges that make them, and Llama 3's 256 special tokens after them. DATA_LOSS,
// naming the line, for what is not such a file; FAILED_PRECONDITION if it has not the 128,000
// tokens of Llama 3, as the file says nothing of pre-tokenizer and special tokens.
absl::StatusOr<Vocabulary> ParseTiktoken(absl::string_view text, const std::string& name);

}  // namespace tern

#endif  // TERN_TEXT_TIKTOKEN_H_
