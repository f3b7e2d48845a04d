// SPDX-License-Identifier: MIT
// The tokenizer of a Hugging Face directory.
#ifndef TERN_TEXT_VOCABULARY_DIRECTORY_H_
#define TERN_TEXT_VOCABULARY_DIRECTORY_H_

#include <string>

#include "absl/status/statusor.h"
#include "text/vocabulary.h"

namespace tern {

// From tokenizer.json or else tokenizer.model (SentencePiece's or tiktoken's, told by its first
// bytes), with the special tokens, the flags and the chat template that tokenizer_config.json,
// chat_template.jinja and generation_config.json beside it add. NOT_FOUND, naming both, if there is
// neither; errors of the readers.
absl::StatusOr<Vocabulary> ReadVocabularyOfDirectory(const std::string& directory);

}  // namespace tern

#endif  // TERN_TEXT_VOCABULARY_DIRECTORY_H_
