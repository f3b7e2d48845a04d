// SPDX-License-Identifier: MIT
// The vocabulary of synthetic models. Not for anyone else: see model/synth.h.
#ifndef TERN_MODEL_SYNTH_VOCABULARY_H_
#define TERN_MODEL_SYNTH_VOCABULARY_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "formats/gguf.h"

namespace tern {

inline constexpr uint32_t kLeastSyntheticVocab = 256 + 3;

// Appends the tokenizer.ggml.* keys of a byte-level vocabulary of `vocab` tokens: the bytes, words
// over a to z in order of length (aa, ab, ... zz, aaa, ...), each with the merge that makes it of
// a shorter word and a letter, and special tokens at the end. REQUIRES vocab at least
// kLeastSyntheticVocab.
void AppendSyntheticVocabulary(uint32_t vocab,
                               std::vector<std::pair<std::string, GgufValue>>& metadata);

}  // namespace tern

#endif  // TERN_MODEL_SYNTH_VOCABULARY_H_
