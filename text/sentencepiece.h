// SPDX-License-Identifier: MIT
// SentencePiece's BPE (Kudo and Richardson, arXiv:1808.06226), as Llama 2 and Gemma use it: the
// pair that makes the token of the best score is merged first; characters without a token become
// bytes.
#ifndef TERN_TEXT_SENTENCEPIECE_H_
#define TERN_TEXT_SENTENCEPIECE_H_

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "text/encoder.h"
#include "text/token_index.h"

namespace tern {

class SentencePiece final : public TextEncoder {
 public:
  // Of a vocabulary of model "llama". Spaces are U+2581 in its tokens; one is put before the text
  // unless add_space_prefix says no. DATA_LOSS for damaged tables: a token that occurs twice or is
  // empty, a byte token of another form than <0xHH>, neither all bytes nor an unknown token to
  // stand for characters without a token.
  static absl::StatusOr<std::unique_ptr<TextEncoder>> Create(const Vocabulary& vocabulary);

  void Encode(absl::string_view text, bool at_start, std::vector<TokenId>& ids) const override;
  const std::vector<std::string>& token_bytes() const override { return bytes_; }

 private:
  struct Symbol;
  class Merger;

  SentencePiece() = default;
  absl::Status ReadTokens(const Vocabulary& vocabulary);
  absl::Status ReadByteToken(const Vocabulary& vocabulary, size_t id);
  size_t PartBytes(absl::string_view marked) const;
  void AppendBytes(absl::string_view text, std::vector<TokenId>& ids) const;

  std::vector<std::string> names_;  // [vocab], that text is merged to
  std::vector<std::string> bytes_;  // [vocab]
  std::vector<float> scores_;       // [vocab]
  TokenIndex by_name_{&names_};
  std::array<std::optional<TokenId>, 256> byte_tokens_{};
  std::optional<TokenId> unknown_;
  bool add_space_prefix_ = true;
  bool words_apart_ = true;  // no token goes on with a space after something else
};

}  // namespace tern

#endif  // TERN_TEXT_SENTENCEPIECE_H_
