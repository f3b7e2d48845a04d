// SPDX-License-Identifier: MIT
// Byte-level BPE (GPT-2, Sennrich et al. arXiv:1508.07909) as GGUF files describe it.
#ifndef TERN_TEXT_TOKENIZER_H_
#define TERN_TEXT_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "formats/gguf.h"
#include "text/vocabulary.h"

namespace tern {

// Immutable, thread-safe.
class Tokenizer {
 public:
  // From tokenizer.ggml.* metadata. FAILED_PRECONDITION for a tokenizer model or pre-tokenizer that
  // this build does not know (the message lists those it does), DATA_LOSS for damaged tables.
  // A missing tokenizer.ggml.pre is taken as llama-bpe, as official BitNet files want it.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Create(const GgufFile& file);

  ~Tokenizer();
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // Token ids of `text`. Names of special tokens in `text` are ordinary text unless
  // `parse_special`. Adds no bos. Invalid UTF-8 is encoded byte by byte; never fails.
  std::vector<TokenId> Encode(absl::string_view text, bool parse_special = false) const;

  // The bytes of one token; special tokens give their name. Empty for an id out of range. May be
  // part of a UTF-8 character: see StreamingDecoder.
  const std::string& TokenBytes(TokenId id) const;
  // Whether the token is a control token: not shown in generated text.
  bool IsControl(TokenId id) const;

  size_t vocab() const;
  bool add_bos() const;
  std::optional<TokenId> bos() const;
  std::optional<TokenId> eos() const;
  // The id of a special token by name, such as "<|eot_id|>".
  std::optional<TokenId> Special(absl::string_view name) const;
  // Tokens that end a generation: eos and, where the vocabulary has it, <|eot_id|>.
  const std::vector<TokenId>& stop_tokens() const;

 private:
  struct Tables;
  explicit Tokenizer(std::unique_ptr<Tables> tables);
  std::unique_ptr<Tables> tables_;
};

// Turns a stream of tokens into text, holding back the start of a UTF-8 character until the rest
// arrives. Thread-compatible; `tokenizer` must outlive it.
class StreamingDecoder {
 public:
  explicit StreamingDecoder(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  // The text that is complete with this token; control tokens give none. Bytes that cannot be
  // UTF-8 come out as U+FFFD, one for each maximal ill-formed part (Unicode 15, section 3.9).
  std::string Push(TokenId id);
  // What was held back at the end of the stream, as U+FFFD; empty if nothing was.
  std::string Finish();

 private:
  const Tokenizer& tokenizer_;
  std::string held_;
};

}  // namespace tern

#endif  // TERN_TEXT_TOKENIZER_H_
