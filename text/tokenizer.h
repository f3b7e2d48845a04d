// SPDX-License-Identifier: MIT
// Text to token ids and back.
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
#include "text/vocabulary.h"

namespace tern {

// Immutable, thread-safe.
class Tokenizer {
 public:
  // FAILED_PRECONDITION for a tokenizer model or pre-tokenizer that this build does not know (the
  // message lists those it does), DATA_LOSS for damaged tables. A byte-level vocabulary that names
  // no pre-tokenizer gets the one that models of its size have, and a note that says so.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Create(const Vocabulary& vocabulary);

  ~Tokenizer();
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // Token ids of `text`. Names of control tokens in `text` are ordinary text unless
  // `parse_special`; user-defined tokens, which are text, are always found. Adds no bos. Invalid
  // UTF-8 is encoded byte by byte; never fails.
  std::vector<TokenId> Encode(absl::string_view text, bool parse_special = false) const;

  // The bytes of one token; special tokens give their name. Empty for an id out of range. May be
  // part of a UTF-8 character: see StreamingDecoder.
  const std::string& TokenBytes(TokenId id) const;
  // Whether the token is a control token: not shown in generated text.
  bool IsControl(TokenId id) const;

  size_t vocab() const;
  bool add_bos() const;
  bool add_eos() const;
  std::optional<TokenId> bos() const;
  std::optional<TokenId> eos() const;
  // The id of a special token by name, such as "<|eot_id|>".
  std::optional<TokenId> Special(absl::string_view name) const;
  // Tokens that end a generation: eos, the end of a turn where the file names one, and those of the
  // usual names that the vocabulary has: <|eot_id|>, <|im_end|>, <end_of_turn>.
  const std::vector<TokenId>& stop_tokens() const;
  // Whether decoding drops a space at the start of a text, which encoding put there.
  bool adds_space_prefix() const;
  // What a user should be told of guesses made.
  const std::vector<std::string>& notes() const;

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
