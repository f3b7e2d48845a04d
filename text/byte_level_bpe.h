// SPDX-License-Identifier: MIT
// Byte-level BPE (GPT-2, Sennrich et al. arXiv:1508.07909).
#ifndef TERN_TEXT_BYTE_LEVEL_BPE_H_
#define TERN_TEXT_BYTE_LEVEL_BPE_H_

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "text/byte_pairs.h"
#include "text/encoder.h"
#include "text/pretokenizer.h"
#include "text/token_index.h"

namespace tern {

class ByteLevelBpe final : public TextEncoder {
 public:
  // Of a vocabulary of model "gpt2", with the pre-tokenizer `pre`. FAILED_PRECONDITION for one that
  // is not known, DATA_LOSS for damaged tables: a token with letters outside of the byte-level
  // alphabet or that occurs twice, a merge of or into no token.
  static absl::StatusOr<std::unique_ptr<TextEncoder>> Create(const Vocabulary& vocabulary,
                                                             absl::string_view pre);

  // Bytes that are no token, of which Falcon has some, are left out.
  void Encode(absl::string_view text, bool at_start, std::vector<TokenId>& ids) const override;
  const std::vector<std::string>& token_bytes() const override { return bytes_; }

 private:
  ByteLevelBpe() = default;
  absl::Status ReadTokens(const Vocabulary& vocabulary);
  absl::Status ReadMerges(const Vocabulary& vocabulary);

  std::vector<std::string> bytes_;          // [vocab]
  TokenIndex normal_{&bytes_};              // what text can become
  std::array<TokenId, 256> byte_tokens_{};  // -1: none
  BytePairs pairs_;
  std::unique_ptr<PreTokenizer> pre_tokenizer_;
};

}  // namespace tern

#endif  // TERN_TEXT_BYTE_LEVEL_BPE_H_
