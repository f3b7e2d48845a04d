// SPDX-License-Identifier: MIT
#include "text/vocabulary.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "text/vocabulary_errors.h"

namespace tern {
namespace {

constexpr char kChatTemplate[] = "tokenizer.chat_template";

struct IdKey {
  const char* key;
  std::optional<TokenId> Vocabulary::*id;
};
constexpr IdKey kIds[] = {
    {"tokenizer.ggml.bos_token_id", &Vocabulary::bos},
    {"tokenizer.ggml.eos_token_id", &Vocabulary::eos},
    {"tokenizer.ggml.eot_token_id", &Vocabulary::eot},
    {"tokenizer.ggml.unknown_token_id", &Vocabulary::unknown},
    {"tokenizer.ggml.padding_token_id", &Vocabulary::padding},
};

struct FlagKey {
  const char* key;
  std::optional<bool> Vocabulary::*flag;
};
constexpr FlagKey kFlags[] = {
    {"tokenizer.ggml.add_bos_token", &Vocabulary::add_bos},
    {"tokenizer.ggml.add_eos_token", &Vocabulary::add_eos},
    {"tokenizer.ggml.add_space_prefix", &Vocabulary::add_space_prefix},
};

absl::Status Damaged(const GgufFile& file, absl::string_view text) {
  return absl::DataLossError(absl::StrCat(file.name(), ": ", text));
}

absl::Status ReadKinds(const GgufFile& file, Vocabulary& vocabulary) {
  const size_t tokens = vocabulary.tokens.size();
  if (!file.Has(kKinds)) {
    vocabulary.kinds.assign(tokens, TokenKind::kNormal);
    return absl::OkStatus();
  }
  TERN_ASSIGN_OR_RETURN(const std::vector<int64_t> found, file.Integers(kKinds));
  if (found.size() != tokens) {
    return Damaged(file, absl::StrCat(kKinds, ": found ", found.size(),
                                      " elements, want one for each of ", tokens, " tokens"));
  }
  for (const int64_t kind : found) {
    if (kind < 1 || kind > 6) {
      return Damaged(file, absl::StrCat(kKinds, ": found ", kind, " for token ",
                                        vocabulary.kinds.size(), ", want 1 to 6"));
    }
    vocabulary.kinds.push_back(static_cast<TokenKind>(kind));
  }
  return absl::OkStatus();
}

absl::Status ReadScores(const GgufFile& file, Vocabulary& vocabulary) {
  if (vocabulary.model != "llama") return absl::OkStatus();
  TERN_ASSIGN_OR_RETURN(const std::vector<double> scores, file.Floats(kScores));
  if (scores.size() != vocabulary.tokens.size()) {
    return Damaged(file,
                   absl::StrCat(kScores, ": found ", scores.size(), " elements, want one for ",
                                "each of ", vocabulary.tokens.size(), " tokens"));
  }
  for (const double score : scores) vocabulary.scores.push_back(static_cast<float>(score));
  return absl::OkStatus();
}

absl::Status ReadIds(const GgufFile& file, Vocabulary& vocabulary) {
  for (const IdKey& entry : kIds) {
    if (!file.Has(entry.key)) continue;
    TERN_ASSIGN_OR_RETURN(const uint64_t id, file.Unsigned(entry.key));
    if (id >= vocabulary.tokens.size()) {
      return Damaged(
          file, absl::StrCat(entry.key, ": found ", id, ", want below ", vocabulary.tokens.size()));
    }
    vocabulary.*entry.id = static_cast<TokenId>(id);
  }
  for (const FlagKey& entry : kFlags) {
    if (!file.Has(entry.key)) continue;
    TERN_ASSIGN_OR_RETURN(vocabulary.*entry.flag, file.Bool(entry.key));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Vocabulary> ReadVocabulary(const GgufFile& file) {
  Vocabulary vocabulary;
  vocabulary.source = file.name();
  if (!file.Has("tokenizer.ggml.model")) {
    return absl::NotFoundError(absl::StrCat(file.name(), ": it has no tokenizer.ggml.model"));
  }
  TERN_ASSIGN_OR_RETURN(vocabulary.model, file.String("tokenizer.ggml.model"));
  if (file.Has("tokenizer.ggml.pre")) {
    TERN_ASSIGN_OR_RETURN(vocabulary.pre, file.String("tokenizer.ggml.pre"));
  }
  const auto strings = [&](const char* key, std::vector<std::string>& to) -> absl::Status {
    const absl::StatusOr<const std::vector<std::string>*> found = file.Strings(key);
    if (!found.ok()) return absl::DataLossError(found.status().message());
    to = **found;
    return absl::OkStatus();
  };
  TERN_RETURN_IF_ERROR(strings(kTokens, vocabulary.tokens));
  TERN_RETURN_IF_ERROR(ReadKinds(file, vocabulary));
  TERN_RETURN_IF_ERROR(ReadScores(file, vocabulary));
  if (vocabulary.model == "gpt2") TERN_RETURN_IF_ERROR(strings(kMerges, vocabulary.merges));
  TERN_RETURN_IF_ERROR(ReadIds(file, vocabulary));
  if (file.Has(kChatTemplate)) {
    TERN_ASSIGN_OR_RETURN(vocabulary.chat_template, file.String(kChatTemplate));
  }
  return vocabulary;
}

void AppendVocabulary(const Vocabulary& vocabulary,
                      std::vector<std::pair<std::string, GgufValue>>& metadata) {
  const auto add = [&](absl::string_view key, GgufValue value) {
    metadata.emplace_back(std::string(key), std::move(value));
  };
  add("tokenizer.ggml.model", {vocabulary.model});
  if (!vocabulary.pre.empty()) add("tokenizer.ggml.pre", {vocabulary.pre});
  add(kTokens, {GgufArray(vocabulary.tokens)});
  if (!vocabulary.scores.empty()) {
    add(kScores,
        {GgufArray(std::vector<double>(vocabulary.scores.begin(), vocabulary.scores.end()))});
  }
  std::vector<int64_t> kinds;
  for (const TokenKind kind : vocabulary.kinds) kinds.push_back(static_cast<int64_t>(kind));
  add(kKinds, {GgufArray(std::move(kinds))});
  if (!vocabulary.merges.empty() || vocabulary.model == "gpt2") {
    add(kMerges, {GgufArray(vocabulary.merges)});
  }
  for (const IdKey& entry : kIds) {
    const std::optional<TokenId>& id = vocabulary.*entry.id;
    if (id) add(entry.key, {static_cast<uint64_t>(*id)});
  }
  for (const FlagKey& entry : kFlags) {
    const std::optional<bool>& flag = vocabulary.*entry.flag;
    if (flag) add(entry.key, {*flag});
  }
  if (!vocabulary.chat_template.empty()) add(kChatTemplate, {vocabulary.chat_template});
}

}  // namespace tern
