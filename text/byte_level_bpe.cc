// SPDX-License-Identifier: MIT
#include "text/byte_level_bpe.h"

#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "text/byte_alphabet.h"
#include "text/vocabulary_errors.h"

namespace tern {
namespace {

constexpr TokenId kNoToken = -1;

}  // namespace

absl::StatusOr<std::unique_ptr<TextEncoder>> ByteLevelBpe::Create(const Vocabulary& vocabulary,
                                                                  absl::string_view pre) {
  std::unique_ptr<ByteLevelBpe> made(new ByteLevelBpe);
  absl::StatusOr<std::unique_ptr<PreTokenizer>> pre_tokenizer = PreTokenizer::Create(pre);
  if (!pre_tokenizer.ok()) {
    return absl::FailedPreconditionError(absl::StrCat(
        vocabulary.source, ": tokenizer.ggml.pre: ", pre_tokenizer.status().message()));
  }
  made->pre_tokenizer_ = std::move(*pre_tokenizer);
  TERN_RETURN_IF_ERROR(made->ReadTokens(vocabulary));
  TERN_RETURN_IF_ERROR(made->ReadMerges(vocabulary));
  return made;
}

absl::Status ByteLevelBpe::ReadTokens(const Vocabulary& vocabulary) {
  const std::vector<std::string>& names = vocabulary.tokens;
  bytes_.reserve(names.size());
  for (size_t id = 0; id < names.size(); ++id) {
    const TokenKind kind = vocabulary.kinds[id];
    const bool is_text = kind == TokenKind::kNormal || kind == TokenKind::kByte;
    std::optional<std::string> raw = is_text ? LettersToBytes(names[id]) : names[id];
    if (!raw || raw->empty()) {
      return Damaged(vocabulary, absl::StrCat(kTokens, ": token ", id, ": found \"",
                                              absl::Utf8SafeCEscape(names[id]),
                                              "\", want letters of the byte-level alphabet"));
    }
    bytes_.push_back(*std::move(raw));
    if (is_text && !normal_.Add(static_cast<TokenId>(id))) {
      return Damaged(vocabulary, absl::StrCat(kTokens, ": token ", id, ": \"",
                                              absl::Utf8SafeCEscape(names[id]), "\" occurs twice"));
    }
  }
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text(1, static_cast<char>(byte));
    byte_tokens_[static_cast<size_t>(byte)] = normal_.Find(text).value_or(kNoToken);
  }
  return absl::OkStatus();
}

absl::Status ByteLevelBpe::ReadMerges(const Vocabulary& vocabulary) {
  const auto token = [this](absl::string_view letters) -> std::optional<TokenId> {
    const std::optional<std::string> raw = LettersToBytes(letters);
    return raw ? normal_.Find(*raw) : std::nullopt;
  };
  for (const std::string& merge : vocabulary.merges) {
    const size_t space = merge.find(' ');
    const bool is_pair = space != std::string::npos && space > 0;
    const auto left = token(absl::string_view(merge).substr(0, is_pair ? space : 0));
    const auto right = token(absl::string_view(merge).substr(is_pair ? space + 1 : 0));
    const auto merged =
        left && right
            ? normal_.Find(bytes_[static_cast<size_t>(*left)] + bytes_[static_cast<size_t>(*right)])
            : std::nullopt;
    if (!is_pair || !merged) {
      return Damaged(vocabulary, absl::StrCat(kMerges, ": found \"", absl::Utf8SafeCEscape(merge),
                                              "\", want two tokens that make a third"));
    }
    pairs_.Add(*left, *right, *merged);
  }
  return absl::OkStatus();
}

void ByteLevelBpe::Encode(absl::string_view text, bool /*at_start*/,
                          std::vector<TokenId>& ids) const {
  std::vector<TokenId> merged;
  pre_tokenizer_->Split(text, [&](absl::string_view piece) {
    if (pre_tokenizer_->whole_pieces()) {
      if (const std::optional<TokenId> whole = normal_.Find(piece)) {
        ids.push_back(*whole);
        return;
      }
    }
    merged.clear();
    for (const char byte : piece) {
      const TokenId token = byte_tokens_[static_cast<uint8_t>(byte)];
      if (token != kNoToken) merged.push_back(token);
    }
    pairs_.Merge(merged);
    ids.insert(ids.end(), merged.begin(), merged.end());
  });
}

}  // namespace tern
