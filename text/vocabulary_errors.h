// SPDX-License-Identifier: MIT
// What errors about a vocabulary name: its file, and the keys of its tables in a GGUF file.
#ifndef TERN_TEXT_VOCABULARY_ERRORS_H_
#define TERN_TEXT_VOCABULARY_ERRORS_H_

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "text/vocabulary.h"

namespace tern {

inline constexpr char kTokens[] = "tokenizer.ggml.tokens";
inline constexpr char kScores[] = "tokenizer.ggml.scores";
inline constexpr char kKinds[] = "tokenizer.ggml.token_type";
inline constexpr char kMerges[] = "tokenizer.ggml.merges";

// DATA_LOSS.
inline absl::Status Damaged(const Vocabulary& vocabulary, absl::string_view text) {
  return absl::DataLossError(absl::StrCat(vocabulary.source, ": ", text));
}

}  // namespace tern

#endif  // TERN_TEXT_VOCABULARY_ERRORS_H_
