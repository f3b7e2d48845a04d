// SPDX-License-Identifier: MIT
#include "text/tokenizer.h"

#include <algorithm>
#include <array>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "text/byte_alphabet.h"
#include "text/byte_pairs.h"
#include "text/pretokenizer.h"
#include "text/utf8.h"

namespace tern {
namespace {

constexpr char kModel[] = "gpt2";  // what GGUF calls byte-level BPE
constexpr char kPreTokenizer[] = "llama-bpe";
constexpr size_t kMaxVocab = 1 << 24;
constexpr char kReplacement[] = "\xef\xbf\xbd";  // U+FFFD

using TokenMap = absl::flat_hash_map<std::string, TokenId>;

}  // namespace

struct Tokenizer::Tables {
  std::vector<std::string> bytes;  // [vocab]
  std::vector<TokenKind> kinds;    // [vocab]
  std::array<TokenId, 256> byte_tokens{};
  TokenMap normal;                      // by bytes: the tokens that text can become
  TokenMap special;                     // by name
  std::vector<size_t> special_lengths;  // distinct lengths of names, longest first
  BytePairs pairs;
  PreTokenizer pre_tokenizer;
  bool add_bos = false;
  std::optional<TokenId> bos;
  std::optional<TokenId> eos;
  std::vector<TokenId> stop_tokens;
  std::string no_bytes;  // of ids out of range

  absl::Status ReadTokens(const GgufFile& file);
  absl::Status ReadMerges(const GgufFile& file);
  absl::Status ReadSpecials(const GgufFile& file);

  // The length of the special token's name that `text` begins with; 0 if none.
  size_t SpecialAt(absl::string_view text) const;
  void EncodeText(absl::string_view text, std::vector<TokenId>& ids) const;
};

namespace {

absl::Status Damaged(const GgufFile& file, absl::string_view text) {
  return absl::DataLossError(absl::StrCat(file.name(), ": ", text));
}

absl::Status CheckModel(const GgufFile& file) {
  const absl::StatusOr<std::string> model = file.String("tokenizer.ggml.model");
  if (!model.ok()) return Damaged(file, "no tokenizer: it has no string tokenizer.ggml.model");
  if (*model != kModel) {
    return absl::FailedPreconditionError(absl::StrCat(file.name(), ": tokenizer.ggml.model: found ",
                                                      absl::Utf8SafeCEscape(*model),
                                                      ", this build reads ", kModel));
  }
  if (!file.Has("tokenizer.ggml.pre")) return absl::OkStatus();
  TERN_ASSIGN_OR_RETURN(const std::string pre, file.String("tokenizer.ggml.pre"));
  if (pre != kPreTokenizer) {
    return absl::FailedPreconditionError(absl::StrCat(file.name(), ": tokenizer.ggml.pre: found ",
                                                      absl::Utf8SafeCEscape(pre),
                                                      ", this build reads ", kPreTokenizer));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<TokenKind>> ReadKinds(const GgufFile& file, size_t vocab) {
  if (!file.Has("tokenizer.ggml.token_type")) {
    return std::vector<TokenKind>(vocab, TokenKind::kNormal);
  }
  TERN_ASSIGN_OR_RETURN(const std::vector<int64_t> found,
                        file.Integers("tokenizer.ggml.token_type"));
  if (found.size() != vocab) {
    return Damaged(file, absl::StrCat("tokenizer.ggml.token_type: found ", found.size(),
                                      " elements, want one for each of ", vocab, " tokens"));
  }
  std::vector<TokenKind> kinds;
  for (const int64_t kind : found) {
    if (kind < 1 || kind > 6) {
      return Damaged(file, absl::StrCat("tokenizer.ggml.token_type: found ", kind, " for token ",
                                        kinds.size(), ", want 1 to 6"));
    }
    kinds.push_back(static_cast<TokenKind>(kind));
  }
  return kinds;
}

absl::StatusOr<std::optional<TokenId>> ReadTokenId(const GgufFile& file, absl::string_view key,
                                                   size_t vocab) {
  if (!file.Has(key)) return std::optional<TokenId>();
  TERN_ASSIGN_OR_RETURN(const uint64_t id, file.Unsigned(key));
  if (id >= vocab) {
    return Damaged(file, absl::StrCat(key, ": found ", id, ", want below ", vocab));
  }
  return std::optional<TokenId>(static_cast<TokenId>(id));
}

}  // namespace

absl::Status Tokenizer::Tables::ReadTokens(const GgufFile& file) {
  constexpr char kKey[] = "tokenizer.ggml.tokens";
  const absl::StatusOr<const std::vector<std::string>*> found = file.Strings(kKey);
  if (!found.ok()) return absl::DataLossError(found.status().message());
  const std::vector<std::string>& names = **found;
  if (names.empty() || names.size() > kMaxVocab) {
    return Damaged(file,
                   absl::StrCat(kKey, ": found ", names.size(), " tokens, want 1 to ", kMaxVocab));
  }
  TERN_ASSIGN_OR_RETURN(kinds, ReadKinds(file, names.size()));
  for (size_t id = 0; id < names.size(); ++id) {
    const bool is_text = kinds[id] == TokenKind::kNormal || kinds[id] == TokenKind::kByte;
    std::optional<std::string> raw = is_text ? LettersToBytes(names[id]) : names[id];
    if (!raw || raw->empty()) {
      return Damaged(
          file, absl::StrCat(kKey, ": token ", id, ": found \"", absl::Utf8SafeCEscape(names[id]),
                             "\", want letters of the byte-level alphabet"));
    }
    const bool is_special =
        kinds[id] == TokenKind::kControl || kinds[id] == TokenKind::kUserDefined;
    TokenMap* map = is_text ? &normal : is_special ? &special : nullptr;
    if (map != nullptr && !map->emplace(*raw, static_cast<TokenId>(id)).second) {
      return Damaged(file, absl::StrCat(kKey, ": token ", id, ": \"",
                                        absl::Utf8SafeCEscape(names[id]), "\" occurs twice"));
    }
    bytes.push_back(*std::move(raw));
  }
  for (int byte = 0; byte < 256; ++byte) {
    const auto token = normal.find(std::string(1, static_cast<char>(byte)));
    if (token == normal.end()) {
      return Damaged(file, absl::StrCat(kKey, ": no token for the byte ", byte));
    }
    byte_tokens[byte] = token->second;
  }
  return absl::OkStatus();
}

absl::Status Tokenizer::Tables::ReadMerges(const GgufFile& file) {
  constexpr char kKey[] = "tokenizer.ggml.merges";
  const absl::StatusOr<const std::vector<std::string>*> found = file.Strings(kKey);
  if (!found.ok()) return absl::DataLossError(found.status().message());
  const auto token = [this](absl::string_view letters) -> std::optional<TokenId> {
    const std::optional<std::string> raw = LettersToBytes(letters);
    const auto place = raw ? normal.find(*raw) : normal.end();
    if (place == normal.end()) return std::nullopt;
    return place->second;
  };
  for (const std::string& merge : **found) {
    const size_t space = merge.find(' ');
    const bool is_pair = space != std::string::npos && space > 0;
    const auto left = token(absl::string_view(merge).substr(0, is_pair ? space : 0));
    const auto right = token(absl::string_view(merge).substr(is_pair ? space + 1 : 0));
    const auto merged = left && right ? normal.find(bytes[*left] + bytes[*right]) : normal.end();
    if (!is_pair || merged == normal.end()) {
      return Damaged(file, absl::StrCat(kKey, ": found \"", absl::Utf8SafeCEscape(merge),
                                        "\", want two tokens that make a third"));
    }
    pairs.Add(*left, *right, merged->second);
  }
  return absl::OkStatus();
}

absl::Status Tokenizer::Tables::ReadSpecials(const GgufFile& file) {
  for (const auto& [name, id] : special) special_lengths.push_back(name.size());
  std::sort(special_lengths.begin(), special_lengths.end(), std::greater<>());
  special_lengths.erase(std::unique(special_lengths.begin(), special_lengths.end()),
                        special_lengths.end());

  TERN_ASSIGN_OR_RETURN(bos, ReadTokenId(file, "tokenizer.ggml.bos_token_id", bytes.size()));
  TERN_ASSIGN_OR_RETURN(eos, ReadTokenId(file, "tokenizer.ggml.eos_token_id", bytes.size()));
  add_bos = bos.has_value();
  if (file.Has("tokenizer.ggml.add_bos_token")) {
    TERN_ASSIGN_OR_RETURN(add_bos, file.Bool("tokenizer.ggml.add_bos_token"));
    if (add_bos && !bos) {
      return Damaged(file, "tokenizer.ggml.add_bos_token without tokenizer.ggml.bos_token_id");
    }
  }
  if (eos) stop_tokens.push_back(*eos);
  const auto eot = special.find("<|eot_id|>");
  if (eot != special.end() && eot->second != eos) stop_tokens.push_back(eot->second);
  return absl::OkStatus();
}

size_t Tokenizer::Tables::SpecialAt(absl::string_view text) const {
  for (const size_t length : special_lengths) {
    if (length <= text.size() && special.contains(text.substr(0, length))) return length;
  }
  return 0;
}

void Tokenizer::Tables::EncodeText(absl::string_view text, std::vector<TokenId>& ids) const {
  std::vector<TokenId> merged;
  for (const absl::string_view piece : pre_tokenizer.Split(text)) {
    // As llama.cpp's ignore_merges: a piece that is a token needs no merging.
    if (const auto whole = normal.find(piece); whole != normal.end()) {
      ids.push_back(whole->second);
      continue;
    }
    merged.clear();
    for (const char byte : piece) merged.push_back(byte_tokens[static_cast<uint8_t>(byte)]);
    pairs.Merge(merged);
    ids.insert(ids.end(), merged.begin(), merged.end());
  }
}

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Create(const GgufFile& file) {
  TERN_RETURN_IF_ERROR(CheckModel(file));
  auto tables = std::make_unique<Tables>();
  TERN_RETURN_IF_ERROR(tables->ReadTokens(file));
  TERN_RETURN_IF_ERROR(tables->ReadMerges(file));
  TERN_RETURN_IF_ERROR(tables->ReadSpecials(file));
  return std::unique_ptr<Tokenizer>(new Tokenizer(std::move(tables)));
}

Tokenizer::Tokenizer(std::unique_ptr<Tables> tables) : tables_(std::move(tables)) {}
Tokenizer::~Tokenizer() = default;

std::vector<TokenId> Tokenizer::Encode(absl::string_view text, bool parse_special) const {
  std::vector<TokenId> ids;
  size_t begin = 0;  // of the ordinary text not yet encoded
  for (size_t at = 0; parse_special && at < text.size();) {
    const size_t length = tables_->SpecialAt(text.substr(at));
    if (length == 0) {
      ++at;
      continue;
    }
    tables_->EncodeText(text.substr(begin, at - begin), ids);
    ids.push_back(tables_->special.at(text.substr(at, length)));
    at += length;
    begin = at;
  }
  tables_->EncodeText(text.substr(begin), ids);
  return ids;
}

const std::string& Tokenizer::TokenBytes(TokenId id) const {
  const bool known = id >= 0 && static_cast<size_t>(id) < vocab();
  return known ? tables_->bytes[static_cast<size_t>(id)] : tables_->no_bytes;
}

bool Tokenizer::IsControl(TokenId id) const {
  const bool known = id >= 0 && static_cast<size_t>(id) < vocab();
  return known && tables_->kinds[static_cast<size_t>(id)] == TokenKind::kControl;
}

size_t Tokenizer::vocab() const { return tables_->bytes.size(); }
bool Tokenizer::add_bos() const { return tables_->add_bos; }
std::optional<TokenId> Tokenizer::bos() const { return tables_->bos; }
std::optional<TokenId> Tokenizer::eos() const { return tables_->eos; }
const std::vector<TokenId>& Tokenizer::stop_tokens() const { return tables_->stop_tokens; }

std::optional<TokenId> Tokenizer::Special(absl::string_view name) const {
  const auto found = tables_->special.find(name);
  if (found == tables_->special.end()) return std::nullopt;
  return found->second;
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
