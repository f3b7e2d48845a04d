// SPDX-License-Identifier: MIT
#include "text/sentencepiece.h"

#include <algorithm>
#include <queue>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status_macros.h"
#include "text/utf8.h"
#include "text/vocabulary_errors.h"

namespace tern {
namespace {

constexpr char kSpace[] = "\xe2\x96\x81";  // U+2581

std::string SpacesToMarks(absl::string_view text) {
  return absl::StrReplaceAll(text, {{" ", kSpace}});
}

// The first mark of a text that does not stand at its beginning, nor after only marks; its size if
// there is none.
size_t SecondWord(absl::string_view marked) {
  size_t begin = 0;
  while (absl::StartsWith(marked.substr(begin), kSpace)) begin += sizeof(kSpace) - 1;
  return std::min(marked.find(kSpace, begin), marked.size());
}

constexpr size_t kNone = SIZE_MAX;

}  // namespace

absl::StatusOr<std::unique_ptr<TextEncoder>> SentencePiece::Create(const Vocabulary& vocabulary) {
  std::unique_ptr<SentencePiece> made(new SentencePiece);
  TERN_RETURN_IF_ERROR(made->ReadTokens(vocabulary));
  made->unknown_ = vocabulary.unknown;
  made->add_space_prefix_ = vocabulary.add_space_prefix.value_or(true);
  for (size_t byte = 0; byte < 256; ++byte) {
    if (made->byte_tokens_[byte] || made->unknown_) continue;
    return Damaged(vocabulary, absl::StrCat(kTokens, ": no token for the byte ", byte,
                                            ", nor one for what is unknown"));
  }
  return made;
}

absl::Status SentencePiece::ReadByteToken(const Vocabulary& vocabulary, size_t id) {
  const std::string& name = vocabulary.tokens[id];
  uint32_t byte = 0;
  const bool is_byte = name.size() == 6 && name.compare(0, 3, "<0x") == 0 && name[5] == '>' &&
                       absl::SimpleHexAtoi(name.substr(3, 2), &byte);
  if (!is_byte || byte_tokens_[byte]) {
    return Damaged(vocabulary,
                   absl::StrCat(kTokens, ": token ", id, ": found \"", absl::Utf8SafeCEscape(name),
                                "\", want a byte of its own as <0xHH>"));
  }
  byte_tokens_[byte] = static_cast<TokenId>(id);
  bytes_[id] = std::string(1, static_cast<char>(byte));
  return absl::OkStatus();
}

absl::Status SentencePiece::ReadTokens(const Vocabulary& vocabulary) {
  names_ = vocabulary.tokens;
  scores_ = vocabulary.scores;
  if (scores_.size() != names_.size()) {
    return Damaged(vocabulary, absl::StrCat(kScores, ": found ", scores_.size(),
                                            ", want one for each of ", names_.size(), " tokens"));
  }
  bytes_.resize(names_.size());
  for (size_t id = 0; id < names_.size(); ++id) {
    const TokenKind kind = vocabulary.kinds[id];
    if (kind == TokenKind::kByte) {
      TERN_RETURN_IF_ERROR(ReadByteToken(vocabulary, id));
      continue;
    }
    const bool is_text = kind == TokenKind::kNormal || kind == TokenKind::kUserDefined;
    bytes_[id] = is_text ? absl::StrReplaceAll(names_[id], {{kSpace, " "}}) : names_[id];
    if (names_[id].empty()) {
      if (!is_text) continue;
      return Damaged(vocabulary, absl::StrCat(kTokens, ": token ", id, " is empty"));
    }
    words_apart_ = words_apart_ && SecondWord(names_[id]) == names_[id].size();
    if (!by_name_.Add(static_cast<TokenId>(id)) && is_text) {
      return Damaged(vocabulary,
                     absl::StrCat(kTokens, ": token ", id, ": \"",
                                  absl::Utf8SafeCEscape(names_[id]), "\" occurs twice"));
    }
  }
  return absl::OkStatus();
}

// A part of the text that is merged so far, in a list of all parts.
struct SentencePiece::Symbol {
  absl::string_view text;  // empty once merged into the one before
  size_t before = kNone;
  size_t after = kNone;
};

// Merges the characters of one text.
class SentencePiece::Merger {
 public:
  Merger(const SentencePiece& model, absl::string_view text) : model_(model) {
    while (!text.empty()) {
      const size_t bytes = NextUtf8(text).bytes;
      const size_t place = symbols_.size();
      symbols_.push_back({text.substr(0, bytes), place == 0 ? kNone : place - 1, place + 1});
      text.remove_prefix(bytes);
    }
    if (!symbols_.empty()) symbols_.back().after = kNone;
    for (size_t i = 0; i + 1 < symbols_.size(); ++i) Consider(i);
    Merge();
  }

  template <typename Visit>
  void ForEach(Visit visit) const {
    for (size_t i = symbols_.empty() ? kNone : 0; i != kNone; i = symbols_[i].after) {
      visit(symbols_[i].text);
    }
  }

 private:
  struct Candidate {
    float score;
    size_t left;
    size_t bytes;  // of both when it was found: fewer or more now, and it is void

    bool operator<(const Candidate& other) const {
      return score != other.score ? score < other.score : left > other.left;
    }
  };

  // The two symbols lie side by side in the text.
  absl::string_view Pair(size_t left) const {
    const Symbol& a = symbols_[left];
    return {a.text.data(), a.text.size() + symbols_[a.after].text.size()};
  }

  void Consider(size_t left) {
    if (left == kNone || symbols_[left].after == kNone) return;
    const absl::string_view pair = Pair(left);
    const std::optional<TokenId> found = model_.by_name_.Find(pair);
    if (!found) return;
    candidates_.push({model_.scores_[static_cast<size_t>(*found)], left, pair.size()});
  }

  void Merge() {
    while (!candidates_.empty()) {
      const Candidate best = candidates_.top();
      candidates_.pop();
      Symbol& left = symbols_[best.left];
      if (left.text.empty() || left.after == kNone || Pair(best.left).size() != best.bytes) {
        continue;
      }
      Symbol& right = symbols_[left.after];
      left.text = Pair(best.left);
      right.text = absl::string_view();
      left.after = right.after;
      if (left.after != kNone) symbols_[left.after].before = best.left;
      Consider(left.before);
      Consider(best.left);
    }
  }

  const SentencePiece& model_;
  std::vector<Symbol> symbols_;
  std::priority_queue<Candidate> candidates_;
};

void SentencePiece::AppendBytes(absl::string_view text, std::vector<TokenId>& ids) const {
  for (const char c : text) {
    const std::optional<TokenId> token = byte_tokens_[static_cast<uint8_t>(c)];
    if (!token) return ids.push_back(*unknown_);  // one for the whole character
    ids.push_back(*token);
  }
}

// How much of the text can be merged by itself. Merging is quicker in small parts, and where no
// token reaches from one word into the next, neither does a merge.
size_t SentencePiece::PartBytes(absl::string_view marked) const {
  return words_apart_ ? SecondWord(marked) : marked.size();
}

void SentencePiece::Encode(absl::string_view text, bool at_start, std::vector<TokenId>& ids) const {
  if (text.empty()) return;
  const bool prefix = at_start && add_space_prefix_;
  const std::string marked = SpacesToMarks(prefix ? absl::StrCat(" ", text) : std::string(text));
  const auto append = [&](absl::string_view symbol) {
    if (const std::optional<TokenId> found = by_name_.Find(symbol)) {
      ids.push_back(*found);
    } else {
      AppendBytes(symbol, ids);
    }
  };
  for (absl::string_view rest = marked; !rest.empty();) {
    const absl::string_view part = rest.substr(0, PartBytes(rest));
    Merger(*this, part).ForEach(append);
    rest.remove_prefix(part.size());
  }
}

}  // namespace tern
