// SPDX-License-Identifier: MIT
#include "text/pretokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/log.h"
#include "text/utf8.h"

namespace tern {
namespace {

// Llama 3's expression, with white space spelled out: PCRE2's \s also takes U+180E, which Unicode
// has not counted as white space since 6.3.
#define TERN_SPACE R"(\t-\r\x{85}\p{Z})"
constexpr char kLlamaBpe[] =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    R"(|[^\r\n\p{L}\p{N}]?\p{L}+)"
    R"(|\p{N}{1,3})"
    "| ?[^" TERN_SPACE R"(\p{L}\p{N}]+[\r\n]*)"
    "|[" TERN_SPACE R"(]*[\r\n]+)"
    "|[" TERN_SPACE "]+(?![^" TERN_SPACE
    "])"
    "|[" TERN_SPACE "]+";
#undef TERN_SPACE

struct FreeMatch {
  void operator()(pcre2_match_data* match) const { pcre2_match_data_free(match); }
};
using Match = std::unique_ptr<pcre2_match_data, FreeMatch>;

// The length of the well-formed text that `text` begins with.
size_t WellFormedBytes(absl::string_view text) {
  size_t bytes = 0;
  while (bytes < text.size()) {
    const Utf8Part part = NextUtf8(text.substr(bytes));
    if (part.kind != Utf8Kind::kCharacter) break;
    bytes += part.bytes;
  }
  return bytes;
}

}  // namespace

struct PreTokenizer::Pattern {
  pcre2_code* code = nullptr;
  ~Pattern() { pcre2_code_free(code); }

  // The end of the piece at `begin` of well-formed `text`. The expression matches any character,
  // so only PCRE2's limits can fail: then the piece is one character.
  size_t PieceEnd(absl::string_view text, size_t begin, pcre2_match_data* match) const {
    const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    for (const uint32_t engine : {uint32_t{0}, uint32_t{PCRE2_NO_JIT}}) {
      const int found = pcre2_match(code, subject, text.size(), begin,
                                    PCRE2_ANCHORED | PCRE2_NO_UTF_CHECK | engine, match, nullptr);
      const size_t end = found > 0 ? pcre2_get_ovector_pointer(match)[1] : begin;
      if (end > begin) return end;
    }
    return begin + NextUtf8(text.substr(begin)).bytes;
  }
};

PreTokenizer::PreTokenizer() {
  auto pattern = std::make_unique<Pattern>();
  int error = 0;
  size_t offset = 0;
  pattern->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(kLlamaBpe), PCRE2_ZERO_TERMINATED,
                                PCRE2_UTF | PCRE2_UCP, &error, &offset, nullptr);
  TERN_CHECK(pattern->code != nullptr);
  pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE);  // without it, the interpreter runs
  pattern_ = std::move(pattern);
}

PreTokenizer::~PreTokenizer() = default;

std::vector<absl::string_view> PreTokenizer::Split(absl::string_view text) const {
  std::vector<absl::string_view> pieces;
  const Match match(pcre2_match_data_create_from_pattern(pattern_->code, nullptr));
  TERN_CHECK(match != nullptr);
  while (!text.empty()) {
    const absl::string_view good = text.substr(0, WellFormedBytes(text));
    for (size_t begin = 0; begin < good.size();) {
      const size_t end = pattern_->PieceEnd(good, begin, match.get());
      pieces.push_back(good.substr(begin, end - begin));
      begin = end;
    }
    text.remove_prefix(good.size());
    if (text.empty()) break;
    pieces.push_back(text.substr(0, 1));
    text.remove_prefix(1);
  }
  return pieces;
}

}  // namespace tern
