// SPDX-License-Identifier: MIT
// A tokenizer's tables as GGUF files hold them (tokenizer.ggml.*). Other kinds of file are read
// into the same tables, so that there is one way to make a tokenizer and one way to write it to a
// file.
#ifndef TERN_TEXT_VOCABULARY_H_
#define TERN_TEXT_VOCABULARY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "formats/gguf.h"

namespace tern {

using TokenId = int32_t;

// Values of tokenizer.ggml.token_type.
enum class TokenKind : uint8_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

// Nothing in it is checked yet: Tokenizer::Create does that.
struct Vocabulary {
  std::string source;  // the file it came from, for errors
  std::string model;   // "gpt2": byte-level BPE; "llama": SentencePiece BPE, Gemma's too
  std::string pre;     // the pre-tokenizer of byte-level BPE; empty if the file does not say
  std::vector<std::string> tokens;  // of gpt2, normal ones in letters of the byte-level alphabet
  std::vector<TokenKind> kinds;     // one for each token
  std::vector<float> scores;        // likewise, for llama; otherwise empty
  std::vector<std::string> merges;  // "left right", best first, for gpt2; otherwise empty
  std::optional<TokenId> bos;
  std::optional<TokenId> eos;
  std::optional<TokenId> eot;  // the end of a turn in a chat, where the file names one
  std::optional<TokenId> unknown;
  std::optional<TokenId> padding;
  std::optional<bool> add_bos;
  std::optional<bool> add_eos;
  std::optional<bool> add_space_prefix;  // llama: a space before the text
  std::string chat_template;             // Jinja source; empty if none
};

// The tokenizer.ggml.* keys of a file. DATA_LOSS for a key of the wrong kind or arrays of different
// lengths, NOT_FOUND if the file has no tokenizer.
absl::StatusOr<Vocabulary> ReadVocabulary(const GgufFile& file);

// Appends the keys from which ReadVocabulary makes an equal vocabulary (but for `source`).
void AppendVocabulary(const Vocabulary& vocabulary,
                      std::vector<std::pair<std::string, GgufValue>>& metadata);

}  // namespace tern

#endif  // TERN_TEXT_VOCABULARY_H_
