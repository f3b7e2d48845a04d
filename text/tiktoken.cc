// SPDX-License-Identifier: MIT
#include "text/tiktoken.h"

#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "text/byte_alphabet.h"

namespace tern {
namespace {

constexpr size_t kLlama3Tokens = 128000;
constexpr size_t kSpecialTokens = 256;
constexpr size_t kLongestToken = 1024;  // longer ones are never merged: no file has any

// Llama 3's special tokens by their place after the others; the rest are reserved.
constexpr std::pair<size_t, const char*> kNamed[] = {{0, "<|begin_of_text|>"},
                                                     {1, "<|end_of_text|>"},
                                                     {6, "<|start_header_id|>"},
                                                     {7, "<|end_header_id|>"},
                                                     {9, "<|eot_id|>"}};

void AppendSpecialTokens(Vocabulary& vocabulary) {
  size_t reserved = 0;
  for (size_t i = 0; i < kSpecialTokens; ++i) {
    std::string name;
    for (const auto& [place, known] : kNamed) {
      if (place == i) name = known;
    }
    if (name.empty()) name = absl::StrCat("<|reserved_special_token_", reserved++, "|>");
    vocabulary.tokens.push_back(std::move(name));
    vocabulary.kinds.push_back(TokenKind::kControl);
  }
  const auto id = [](size_t place) { return static_cast<TokenId>(kLlama3Tokens + place); };
  vocabulary.bos = id(0);
  vocabulary.eos = id(1);
  vocabulary.eot = id(9);
  vocabulary.add_bos = true;
}

// tiktoken merges any two neighbours that together are a token, the token of the lowest rank first:
// every way to cut a token in two tokens is a merge with the token's rank.
void AppendMerges(const std::vector<std::string>& tokens,
                  const absl::flat_hash_map<std::string, TokenId>& ids, Vocabulary& vocabulary) {
  const auto letters = [&](TokenId id) { return vocabulary.tokens[static_cast<size_t>(id)]; };
  for (const std::string& token : tokens) {
    if (token.size() > kLongestToken) continue;
    for (size_t cut = 1; cut < token.size(); ++cut) {
      const auto left = ids.find(absl::string_view(token).substr(0, cut));
      const auto right = ids.find(absl::string_view(token).substr(cut));
      if (left == ids.end() || right == ids.end()) continue;
      vocabulary.merges.push_back(absl::StrCat(letters(left->second), " ", letters(right->second)));
    }
  }
}

}  // namespace

absl::StatusOr<Vocabulary> ParseTiktoken(absl::string_view text, const std::string& name) {
  const auto damaged = [&](size_t line, absl::string_view what) {
    return absl::DataLossError(absl::StrCat(name, ": line ", line + 1, ": ", what));
  };
  std::vector<std::string> tokens;  // by rank
  absl::flat_hash_map<std::string, TokenId> ids;
  Vocabulary vocabulary;
  vocabulary.source = name;
  vocabulary.model = "gpt2";
  vocabulary.pre = "llama-bpe";
  for (size_t line = 0; !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    absl::string_view rest = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (rest.empty()) continue;
    const size_t space = rest.find(' ');
    std::string bytes;
    uint32_t rank = 0;
    if (space == rest.npos || !absl::Base64Unescape(rest.substr(0, space), &bytes) ||
        !absl::SimpleAtoi(rest.substr(space + 1), &rank) || bytes.empty()) {
      return damaged(line, "want bytes in base64, a space and a rank");
    }
    if (rank != tokens.size()) {
      return damaged(line, absl::StrCat("found rank ", rank, ", want ", tokens.size()));
    }
    const auto id = static_cast<TokenId>(rank);
    if (!ids.emplace(bytes, id).second) return damaged(line, "a token that occurs twice");
    vocabulary.tokens.push_back(BytesToLetters(bytes));
    vocabulary.kinds.push_back(TokenKind::kNormal);
    tokens.push_back(std::move(bytes));
  }
  if (tokens.size() != kLlama3Tokens) {
    return absl::FailedPreconditionError(absl::StrCat(
        name, ": found ", tokens.size(), " tokens, this build reads Llama 3's ", kLlama3Tokens,
        ": of others the file does not say how text is cut and which tokens are special"));
  }
  AppendMerges(tokens, ids, vocabulary);
  AppendSpecialTokens(vocabulary);
  return vocabulary;
}

}  // namespace tern
