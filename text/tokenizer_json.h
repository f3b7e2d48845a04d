// SPDX-License-Identifier: MIT
// Reads tokenizer.json files of the Hugging Face tokenizers library.
#ifndef TERN_TEXT_TOKENIZER_JSON_H_
#define TERN_TEXT_TOKENIZER_JSON_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "text/vocabulary.h"

namespace tern {

// Byte-level BPE becomes model "gpt2", with the pre-tokenizer that its expression is known by; BPE
// with byte_fallback, as of Llama 2 and Gemma, becomes model "llama", each token scored by the rank
// of the merge that makes it. add_bos and add_eos are as the post-processor has it. DATA_LOSS for
// what is damaged, FAILED_PRECONDITION for a model, a pre-tokenizer or a normaliser that this build
// does not know.
absl::StatusOr<Vocabulary> ParseTokenizerJson(absl::string_view json, const std::string& name);

}  // namespace tern

#endif  // TERN_TEXT_TOKENIZER_JSON_H_
