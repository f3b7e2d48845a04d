// SPDX-License-Identifier: MIT
// Reads SentencePiece's .model files (sentencepiece_model.proto of that project), as Llama 2 and
// Gemma come with.
#ifndef TERN_TEXT_SENTENCEPIECE_MODEL_H_
#define TERN_TEXT_SENTENCEPIECE_MODEL_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "text/vocabulary.h"

namespace tern {

// DATA_LOSS, naming the byte, for what is not such a message; FAILED_PRECONDITION for a model other
// than BPE or a normaliser that changes text.
absl::StatusOr<Vocabulary> ParseSentencePieceModel(absl::string_view bytes,
                                                   const std::string& name);

}  // namespace tern

#endif  // TERN_TEXT_SENTENCEPIECE_MODEL_H_
