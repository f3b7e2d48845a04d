// SPDX-License-Identifier: MIT
#include "text/tokenizer_json.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "formats/json_text.h"
#include "text/pretokenizer.h"

namespace tern {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kMostTokens = 1 << 24;
constexpr float kSpecialScore = -1000;  // never merged

const Json& At(const Json& json, const char* key) {
  static const Json kNull;
  return json.is_object() && json.contains(key) ? json[key] : kNull;
}

std::string Type(const Json& json) {
  const Json& type = At(json, "type");
  return type.is_string() ? type.get<std::string>() : "";
}

bool IsTrue(const Json& json, const char* key) {
  const Json& value = At(json, key);
  return value.is_boolean() && value.get<bool>();
}

// Reads one file.
class Reader {
 public:
  Reader(const Json& json, const std::string& name) : json_(json), model_(At(json, "model")) {
    vocabulary_.source = name;
  }

  absl::StatusOr<Vocabulary> Read() {
    if (Type(model_) != "BPE" && !(Type(model_).empty() && At(model_, "merges").is_array())) {
      return Refuse("model", Type(model_), "BPE");
    }
    TERN_RETURN_IF_ERROR(ReadTokens());
    TERN_RETURN_IF_ERROR(ReadMerges());
    vocabulary_.model = IsTrue(model_, "byte_fallback") ? "llama" : "gpt2";
    if (vocabulary_.model == "llama") {
      TERN_RETURN_IF_ERROR(ReadSentencePiece());
    } else {
      TERN_RETURN_IF_ERROR(ReadPreTokenizer());
    }
    TERN_RETURN_IF_ERROR(ReadAddedTokens());
    ReadPostProcessor();
    return std::move(vocabulary_);
  }

 private:
  absl::Status Damaged(absl::string_view text) const {
    return absl::DataLossError(absl::StrCat(vocabulary_.source, ": ", text));
  }
  absl::Status Refuse(absl::string_view what, absl::string_view found, absl::string_view reads) {
    return absl::FailedPreconditionError(absl::StrCat(vocabulary_.source, ": ", what, ": found ",
                                                      absl::Utf8SafeCEscape(found),
                                                      ", this build reads ", reads));
  }

  absl::Status Place(const std::string& token, const Json& id, TokenKind kind) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= kMostTokens) {
      return Damaged(absl::StrCat("token \"", absl::Utf8SafeCEscape(token), "\": found id ",
                                  id.dump(-1, ' ', true).substr(0, 40), ", want one below ",
                                  kMostTokens));
    }
    const size_t place = id.get<uint64_t>();
    if (place >= vocabulary_.tokens.size()) {
      // Ids may not run far ahead of the tokens there are.
      if (place > 2 * (At(model_, "vocab").size() + At(json_, "added_tokens").size())) {
        return Damaged(absl::StrCat("token \"", absl::Utf8SafeCEscape(token), "\": found id ",
                                    place, ", far past the tokens there are"));
      }
      vocabulary_.tokens.resize(place + 1);
      vocabulary_.kinds.resize(place + 1, TokenKind::kUnused);
    }
    vocabulary_.tokens[place] = token;
    vocabulary_.kinds[place] = kind;
    ids_[token] = static_cast<TokenId>(place);
    return absl::OkStatus();
  }

  absl::Status ReadTokens() {
    const Json& tokens = At(model_, "vocab");
    if (!tokens.is_object() || tokens.empty()) return Damaged("model.vocab: want tokens with ids");
    for (const auto& [token, id] : tokens.items()) {
      TERN_RETURN_IF_ERROR(Place(token, id, TokenKind::kNormal));
    }
    return absl::OkStatus();
  }

  // "left right", or in newer files ["left", "right"].
  absl::Status ReadMerges() {
    const Json& merges = At(model_, "merges");
    if (!merges.is_array()) return Damaged("model.merges: want a list");
    for (const Json& merge : merges) {
      if (merge.is_string()) {
        vocabulary_.merges.push_back(merge.get<std::string>());
      } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
                 merge[1].is_string()) {
        vocabulary_.merges.push_back(
            absl::StrCat(merge[0].get<std::string>(), " ", merge[1].get<std::string>()));
      } else {
        return Damaged("model.merges: want pairs of tokens");
      }
    }
    return absl::OkStatus();
  }

  // Scores by the rank of merges; bytes and the unknown token by name.
  absl::Status ReadSentencePiece() {
    absl::flat_hash_map<std::string, float> scores;
    for (size_t rank = 0; rank < vocabulary_.merges.size(); ++rank) {
      std::string merged = vocabulary_.merges[rank];
      const size_t space = merged.find(' ');
      if (space != std::string::npos) merged.erase(space, 1);
      scores.emplace(std::move(merged), -static_cast<float>(rank));
    }
    vocabulary_.merges.clear();
    const Json& unknown = At(model_, "unk_token");
    for (size_t id = 0; id < vocabulary_.tokens.size(); ++id) {
      const std::string& token = vocabulary_.tokens[id];
      const auto score = scores.find(token);
      vocabulary_.scores.push_back(score == scores.end() ? 0 : score->second);
      if (token.size() == 6 && absl::StartsWith(token, "<0x") && token[5] == '>') {
        vocabulary_.kinds[id] = TokenKind::kByte;
      } else if (unknown.is_string() && token == unknown.get<std::string>()) {
        vocabulary_.kinds[id] = TokenKind::kUnknown;
        vocabulary_.unknown = static_cast<TokenId>(id);
      }
    }
    return ReadPrefix();
  }

  // A space before the text: by a normaliser Prepend, or a pre-tokenizer Metaspace.
  absl::Status ReadPrefix() {
    vocabulary_.add_space_prefix = false;
    std::vector<Json> parts = {At(json_, "normalizer"), At(json_, "pre_tokenizer")};
    for (size_t i = 0; i < parts.size() && i < 16; ++i) {
      const Json part = parts[i];
      const std::string type = Type(part);
      if (type == "Sequence") {
        for (const char* key : {"normalizers", "pretokenizers"}) {
          for (const Json& inner : At(part, key)) parts.push_back(inner);
        }
      } else if (type == "Prepend") {
        vocabulary_.add_space_prefix = true;
      } else if (type == "Metaspace") {
        const Json& scheme = At(part, "prepend_scheme");
        const bool never = scheme.is_string() && scheme.get<std::string>() == "never";
        vocabulary_.add_space_prefix =
            scheme.is_string() ? !never : IsTrue(part, "add_prefix_space");
      } else if (!type.empty() && type != "Replace" && type != "Split") {
        return Refuse("normalizer", type, "Prepend, Replace, Metaspace, Split, Sequence");
      }
    }
    return absl::OkStatus();
  }

  absl::Status ReadPreTokenizer() {
    if (!At(json_, "normalizer").is_null() && Type(At(json_, "normalizer")) != "NFC") {
      return Refuse("normalizer", Type(At(json_, "normalizer")), "none, NFC");
    }
    const Json& pre = At(json_, "pre_tokenizer");
    if (Type(pre) == "ByteLevel") {  // alone, it is GPT-2's
      vocabulary_.pre = "gpt-2";
      return absl::OkStatus();
    }
    std::string shape;
    for (const Json& part : At(pre, "pretokenizers")) {
      const std::string type = Type(part);
      absl::StrAppend(&shape, shape.empty() ? "" : " ", type);
      if (type != "Split") continue;
      const Json& expression = At(At(part, "pattern"), "Regex");
      if (!expression.is_string()) continue;
      const std::string name = PreTokenizer::NameOfExpression(expression.get<std::string>());
      if (!name.empty()) vocabulary_.pre = name;
    }
    if (shape == "Split ByteLevel" && !vocabulary_.pre.empty()) return absl::OkStatus();
    if (shape == "Punctuation ByteLevel Digits Split" || shape == "Punctuation ByteLevel Split") {
      vocabulary_.pre = "falcon";
      return absl::OkStatus();
    }
    return Refuse("pre_tokenizer", absl::StrCat(Type(pre), " of ", shape),
                  "those of GPT-2, Llama 3, Qwen 2, Falcon");
  }

  absl::Status ReadAddedTokens() {
    for (const Json& token : At(json_, "added_tokens")) {
      const Json& content = At(token, "content");
      if (!content.is_string()) return Damaged("added_tokens: want a string content");
      const TokenKind kind =
          IsTrue(token, "special") ? TokenKind::kControl : TokenKind::kUserDefined;
      const std::string text = content.get<std::string>();
      const bool is_unknown =
          vocabulary_.unknown && ids_.contains(text) && ids_[text] == *vocabulary_.unknown;
      if (is_unknown) continue;
      TERN_RETURN_IF_ERROR(Place(text, At(token, "id"), kind));
    }
    for (size_t id = 0; id < vocabulary_.tokens.size(); ++id) {
      if (vocabulary_.kinds[id] != TokenKind::kUnused || !vocabulary_.tokens[id].empty()) continue;
      vocabulary_.tokens[id] = absl::StrCat("[PAD", id, "]");
    }
    if (vocabulary_.model == "llama") {
      vocabulary_.scores.resize(vocabulary_.tokens.size(), kSpecialScore);
    }
    return absl::OkStatus();
  }

  // Special tokens before and after $A in the template for single texts.
  void ReadPostProcessor() {
    std::vector<Json> parts = {At(json_, "post_processor")};
    for (size_t i = 0; i < parts.size() && i < 16; ++i) {
      const Json part = parts[i];
      for (const Json& inner : At(part, "processors")) parts.push_back(inner);
      if (Type(part) != "TemplateProcessing") continue;
      bool before = true;
      for (const Json& item : At(part, "single")) {
        if (!At(item, "Sequence").is_null()) before = false;
        const Json& id = At(At(item, "SpecialToken"), "id");
        if (!id.is_string()) continue;
        const auto token = ids_.find(id.get<std::string>());
        if (token == ids_.end()) continue;
        (before ? vocabulary_.bos : vocabulary_.eos) = token->second;
        (before ? vocabulary_.add_bos : vocabulary_.add_eos) = true;
      }
    }
    if (!vocabulary_.add_bos) vocabulary_.add_bos = false;
  }

  const Json& json_;
  const Json& model_;
  Vocabulary vocabulary_;
  absl::flat_hash_map<std::string, TokenId> ids_;
};

}  // namespace

absl::StatusOr<Vocabulary> ParseTokenizerJson(absl::string_view json, const std::string& name) {
  TERN_ASSIGN_OR_RETURN(const Json parsed, ParseJsonObject(json, name));
  return Reader(parsed, name).Read();
}

}  // namespace tern
