// SPDX-License-Identifier: MIT
#include "text/tokenizer.h"

#include <algorithm>
#include <array>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "text/byte_level_bpe.h"
#include "text/encoder.h"
#include "text/sentencepiece.h"
#include "text/utf8.h"
#include "text/vocabulary_errors.h"

namespace tern {
namespace {

constexpr size_t kMaxVocab = 1 << 24;
constexpr char kReplacement[] = "\xef\xbf\xbd";  // U+FFFD

// Ends of a turn that generations stop at, whichever the file names.
constexpr const char* kEndsOfTurn[] = {"<|eot_id|>", "<|im_end|>", "<end_of_turn>"};

// Special tokens by name, to be found in text.
class SpecialTokens {
 public:
  // False if the name is there already.
  bool Add(const std::string& name, TokenId id) {
    if (name.empty()) return true;
    if (!by_name_.emplace(name, id).second) return false;
    std::vector<size_t>& lengths = lengths_[static_cast<uint8_t>(name[0])];
    if (std::find(lengths.begin(), lengths.end(), name.size()) == lengths.end()) {
      lengths.push_back(name.size());
      std::sort(lengths.begin(), lengths.end(), std::greater<>());
    }
    return true;
  }

  // The longest name that `text` begins with, as its length and id; a length of 0 if none.
  std::pair<size_t, TokenId> At(absl::string_view text) const {
    for (const size_t length : lengths_[static_cast<uint8_t>(text[0])]) {
      if (length > text.size()) continue;
      const auto found = by_name_.find(text.substr(0, length));
      if (found != by_name_.end()) return {length, found->second};
    }
    return {0, 0};
  }

  std::optional<TokenId> Find(absl::string_view name) const {
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) return std::nullopt;
    return found->second;
  }

  bool empty() const { return by_name_.empty(); }

 private:
  absl::flat_hash_map<std::string, TokenId> by_name_;
  std::array<std::vector<size_t>, 256> lengths_;  // of names, by first byte, longest first
};

// The pre-tokenizer of models whose vocabulary has this many tokens.
const char* PreTokenizerOfSize(size_t tokens) {
  switch (tokens) {
    case 128256:
      return "llama-bpe";
    case 131072:
    case 131080:
      return "falcon3";
    case 65024:
      return "falcon";
    case 50257:
      return "gpt-2";
    default:
      return tokens >= 151643 && tokens <= 151936 ? "qwen2" : "default";
  }
}

}  // namespace

struct Tokenizer::Tables {
  std::unique_ptr<TextEncoder> encoder;
  std::vector<TokenKind> kinds;  // [vocab]
  SpecialTokens user_defined;    // always found in text
  SpecialTokens special;         // these and control tokens: found where asked for
  bool add_bos = false;
  bool add_eos = false;
  bool space_prefix = false;
  std::optional<TokenId> bos;
  std::optional<TokenId> eos;
  std::vector<TokenId> stop_tokens;
  std::vector<std::string> notes;
  std::string no_bytes;  // of ids out of range

  absl::Status MakeEncoder(const Vocabulary& vocabulary);
  absl::Status ReadSpecials(const Vocabulary& vocabulary);
  void ReadEnds(const Vocabulary& vocabulary);
};

namespace {

absl::Status CheckSizes(const Vocabulary& vocabulary) {
  const size_t tokens = vocabulary.tokens.size();
  if (tokens == 0 || tokens > kMaxVocab) {
    return Damaged(vocabulary, absl::StrCat("tokenizer.ggml.tokens: found ", tokens,
                                            " tokens, want 1 to ", kMaxVocab));
  }
  if (vocabulary.kinds.size() != tokens) {
    return Damaged(vocabulary, absl::StrCat("tokenizer.ggml.token_type: found ",
                                            vocabulary.kinds.size(), ", want ", tokens));
  }
  for (const std::optional<TokenId> id :
       {vocabulary.bos, vocabulary.eos, vocabulary.eot, vocabulary.unknown, vocabulary.padding}) {
    if (id && (*id < 0 || static_cast<size_t>(*id) >= tokens)) {
      return Damaged(vocabulary,
                     absl::StrCat("special token: found id ", *id, ", want below ", tokens));
    }
  }
  if (vocabulary.add_bos.value_or(false) && !vocabulary.bos) {
    return Damaged(vocabulary, "tokenizer.ggml.add_bos_token without tokenizer.ggml.bos_token_id");
  }
  if (vocabulary.add_eos.value_or(false) && !vocabulary.eos) {
    return Damaged(vocabulary, "tokenizer.ggml.add_eos_token without tokenizer.ggml.eos_token_id");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Tokenizer::Tables::MakeEncoder(const Vocabulary& vocabulary) {
  if (vocabulary.model == "llama") {
    space_prefix = vocabulary.add_space_prefix.value_or(true);
    TERN_ASSIGN_OR_RETURN(encoder, SentencePiece::Create(vocabulary));
    return absl::OkStatus();
  }
  if (vocabulary.model != "gpt2") {
    return absl::FailedPreconditionError(
        absl::StrCat(vocabulary.source, ": tokenizer.ggml.model: found ",
                     absl::Utf8SafeCEscape(vocabulary.model), ", this build reads gpt2 and llama"));
  }
  std::string pre = vocabulary.pre;
  if (pre.empty()) {
    pre = PreTokenizerOfSize(vocabulary.tokens.size());
    notes.push_back(absl::StrCat("tokenizer.ggml.pre is missing: taken as ", pre,
                                 ", for a vocabulary of ", vocabulary.tokens.size(), " tokens"));
  }
  TERN_ASSIGN_OR_RETURN(encoder, ByteLevelBpe::Create(vocabulary, pre));
  return absl::OkStatus();
}

absl::Status Tokenizer::Tables::ReadSpecials(const Vocabulary& vocabulary) {
  kinds = vocabulary.kinds;
  for (size_t i = 0; i < kinds.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    const bool is_user_defined = kinds[i] == TokenKind::kUserDefined;
    if (!is_user_defined && kinds[i] != TokenKind::kControl) continue;
    const std::string& name = encoder->token_bytes()[i];
    // SentencePiece has looked for them in text without spaces: those with one are never found.
    if (vocabulary.model == "llama" && absl::StrContains(vocabulary.tokens[i], " ")) continue;
    if (!special.Add(name, id) || (is_user_defined && !user_defined.Add(name, id))) {
      return Damaged(vocabulary, absl::StrCat("tokenizer.ggml.tokens: token ", id, ": \"",
                                              absl::Utf8SafeCEscape(name), "\" occurs twice"));
    }
  }
  return absl::OkStatus();
}

void Tokenizer::Tables::ReadEnds(const Vocabulary& vocabulary) {
  bos = vocabulary.bos;
  eos = vocabulary.eos;
  // What files that do not say have always meant: a bos where there is one.
  add_bos = vocabulary.add_bos.value_or(bos.has_value());
  add_eos = vocabulary.add_eos.value_or(false);
  const auto stop_at = [this](std::optional<TokenId> id) {
    const bool known =
        !id || std::find(stop_tokens.begin(), stop_tokens.end(), *id) != stop_tokens.end();
    if (!known) stop_tokens.push_back(*id);
  };
  stop_at(eos);
  stop_at(vocabulary.eot);
  for (const char* name : kEndsOfTurn) stop_at(special.Find(name));
}

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Create(const Vocabulary& vocabulary) {
  TERN_RETURN_IF_ERROR(CheckSizes(vocabulary));
  auto tables = std::make_unique<Tables>();
  TERN_RETURN_IF_ERROR(tables->MakeEncoder(vocabulary));
  TERN_RETURN_IF_ERROR(tables->ReadSpecials(vocabulary));
  tables->ReadEnds(vocabulary);
  return std::unique_ptr<Tokenizer>(new Tokenizer(std::move(tables)));
}

Tokenizer::Tokenizer(std::unique_ptr<Tables> tables) : tables_(std::move(tables)) {}
Tokenizer::~Tokenizer() = default;

std::vector<TokenId> Tokenizer::Encode(absl::string_view text, bool parse_special) const {
  const SpecialTokens& wanted = parse_special ? tables_->special : tables_->user_defined;
  std::vector<TokenId> ids;
  size_t begin = 0;  // of the ordinary text not yet encoded
  bool at_start = true;
  for (size_t at = 0; !wanted.empty() && at < text.size();) {
    const std::pair<size_t, TokenId> found = wanted.At(text.substr(at));
    if (found.first == 0) {
      ++at;
      continue;
    }
    tables_->encoder->Encode(text.substr(begin, at - begin), at_start, ids);
    ids.push_back(found.second);
    at += found.first;
    begin = at;
    at_start = tables_->kinds[static_cast<size_t>(found.second)] == TokenKind::kControl;
  }
  tables_->encoder->Encode(text.substr(begin), at_start, ids);
  return ids;
}

const std::string& Tokenizer::TokenBytes(TokenId id) const {
  const bool known = id >= 0 && static_cast<size_t>(id) < vocab();
  return known ? tables_->encoder->token_bytes()[static_cast<size_t>(id)] : tables_->no_bytes;
}

bool Tokenizer::IsControl(TokenId id) const {
  const bool known = id >= 0 && static_cast<size_t>(id) < vocab();
  return known && tables_->kinds[static_cast<size_t>(id)] == TokenKind::kControl;
}

size_t Tokenizer::vocab() const { return tables_->kinds.size(); }
bool Tokenizer::add_bos() const { return tables_->add_bos; }
bool Tokenizer::add_eos() const { return tables_->add_eos; }
bool Tokenizer::adds_space_prefix() const { return tables_->space_prefix; }
const std::vector<std::string>& Tokenizer::notes() const { return tables_->notes; }
std::optional<TokenId> Tokenizer::bos() const { return tables_->bos; }
std::optional<TokenId> Tokenizer::eos() const { return tables_->eos; }
const std::vector<TokenId>& Tokenizer::stop_tokens() const { return tables_->stop_tokens; }

std::optional<TokenId> Tokenizer::Special(absl::string_view name) const {
  return tables_->special.Find(name);
}

std::string StreamingDecoder::Push(TokenId id) {
  if (tokenizer_.IsControl(id)) return "";
  held_ += tokenizer_.TokenBytes(id);
  std::string text;
  absl::string_view rest = held_;
  while (!rest.empty()) {
    const Utf8Part part = NextUtf8(rest);
    if (part.kind == Utf8Kind::kCutShort) break;
    if (part.kind == Utf8Kind::kCharacter) {
      absl::StrAppend(&text, rest.substr(0, part.bytes));
    } else {
      text += kReplacement;
    }
    rest.remove_prefix(part.bytes);
  }
  held_.erase(0, held_.size() - rest.size());
  return text;
}

std::string StreamingDecoder::Finish() {
  // Held bytes are one maximal ill-formed part: the start of a character that never came.
  const bool was_held = !held_.empty();
  held_.clear();
  return was_held ? kReplacement : "";
}

}  // namespace tern
