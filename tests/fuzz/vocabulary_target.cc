// SPDX-License-Identifier: MIT
// Any bytes as a SentencePiece model, or as tiktoken's lines.
#include <string>

#include "base/log.h"
#include "base/status_macros.h"
#include "tests/fuzz/fuzz_target.h"
#include "text/sentencepiece_model.h"
#include "text/tiktoken.h"
#include "text/tokenizer.h"

namespace tern {
namespace {

// A tokenizer of it encodes any text, and spells it but for bytes that it has not.
absl::Status Use(const Vocabulary& vocabulary) {
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<Tokenizer> tokenizer, Tokenizer::Create(vocabulary));
  const std::string text = "abc Abc <|end|><b>\r\n\xff\xe4\xbd\xa0 123";
  for (const bool parse_special : {false, true}) {
    for (const TokenId id : tokenizer->Encode(text, parse_special)) {
      TERN_CHECK(id >= 0 && static_cast<size_t>(id) < tokenizer->vocab());
    }
  }
  return absl::OkStatus();
}

absl::Status Check(const absl::Status& status) {
  TERN_CHECK(status.ok() || absl::IsDataLoss(status) || absl::IsFailedPrecondition(status));
  return status;
}

}  // namespace

absl::Status RunFuzzTarget(std::span<const uint8_t> bytes) {
  const absl::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const absl::Status tiktoken = Check(ParseTiktoken(text, "fuzz").status());
  if (tiktoken.ok()) return tiktoken;
  const absl::StatusOr<Vocabulary> vocabulary = ParseSentencePieceModel(text, "fuzz");
  return Check(vocabulary.ok() ? Use(*vocabulary) : vocabulary.status());
}

}  // namespace tern
