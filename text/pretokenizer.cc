// SPDX-License-Identifier: MIT
#include "text/pretokenizer.h"

#include <algorithm>
#include <utility>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/log.h"
#include "text/utf8.h"

namespace tern {
namespace {

// White space spelled out: PCRE2's \s also takes U+180E, which Unicode has not counted as white
// space since 6.3.
#define TERN_SPACE R"(\t-\r\x{85}\p{Z})"
#define TERN_LETTERS(SUFFIXES, NUMBERS)                            \
  SUFFIXES R"(|[^\r\n\p{L}\p{N}]?\p{L}+)"                          \
           "|" NUMBERS "| ?[^" TERN_SPACE R"(\p{L}\p{N}]+[\r\n]*)" \
           "|[" TERN_SPACE R"(]*[\r\n]+)"                          \
           "|[" TERN_SPACE "]+(?![^" TERN_SPACE "])|[" TERN_SPACE "]+"
constexpr char kLlama3[] = TERN_LETTERS("(?i:'s|'t|'re|'ve|'m|'ll|'d)", R"(\p{N}{1,3})");
constexpr char kQwen2[] = TERN_LETTERS("(?i:'s|'t|'re|'ve|'m|'ll|'d)", R"(\p{N})");
constexpr char kGpt2[] = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^)" TERN_SPACE
                         R"(\p{L}\p{N}]+|[)" TERN_SPACE "]+(?![^" TERN_SPACE "])|[" TERN_SPACE "]+";
#undef TERN_LETTERS
#undef TERN_SPACE
// Both by name of Falcon's first models; llama.cpp takes the second for files that name none.
constexpr char kFalconPunctuation[] = R"([\p{P}$+<=>^~|`]+)";
constexpr char kDefaultPunctuation[] = R"([\p{P}$+<=>^~|]+)";
constexpr char kThreeDigits[] = "[0-9][0-9][0-9]";
constexpr char kNumbers[] = R"(\p{N}+)";

struct Kind {
  std::vector<const char*> names;  // the first is ours
  std::vector<const char*> passes;
  bool whole_pieces;
};

const std::vector<Kind>& Kinds() {
  static const std::vector<Kind> kinds = {
      {{"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon_e", "falcon-e", "falcon-h1"},
       {kLlama3},
       true},
      {{"gpt-2", "gpt2"}, {kGpt2}, false},
      {{"falcon"}, {kFalconPunctuation, kGpt2, kThreeDigits}, false},
      {{"qwen2", "qwen3"}, {kQwen2}, false},
      {{"default"}, {kDefaultPunctuation, kGpt2, kNumbers, kThreeDigits}, false},
  };
  return kinds;
}

// Expressions as tokenizer.json files spell them.
constexpr std::pair<const char*, const char*> kExpressions[] = {
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     "llama-bpe"},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     "qwen2"},
    {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", "gpt-2"},
};

struct FreeMatch {
  void operator()(pcre2_match_data* match) const { pcre2_match_data_free(match); }
};

// The length of the well-formed text that `text` begins with.
size_t WellFormedBytes(absl::string_view text) {
  size_t bytes = 0;
  while (bytes < text.size()) {
    if (static_cast<unsigned char>(text[bytes]) < 0x80) {
      ++bytes;
      continue;
    }
    const Utf8Part part = NextUtf8(text.substr(bytes));
    if (part.kind != Utf8Kind::kCharacter) break;
    bytes += part.bytes;
  }
  return bytes;
}

}  // namespace

struct PreTokenizer::Pattern {
  pcre2_code* code = nullptr;

  explicit Pattern(const char* expression) {
    int error = 0;
    size_t offset = 0;
    code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(expression), PCRE2_ZERO_TERMINATED,
                         PCRE2_UTF | PCRE2_UCP, &error, &offset, nullptr);
    TERN_CHECK(code != nullptr);
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // without it, the interpreter runs
  }
  ~Pattern() { pcre2_code_free(code); }
};

// What one call of Split needs for a pattern.
struct PreTokenizer::Pass {
  const Pattern* pattern;
  std::unique_ptr<pcre2_match_data, FreeMatch> match;

  explicit Pass(const Pattern& p)
      : pattern(&p), match(pcre2_match_data_create_from_pattern(p.code, nullptr)) {
    TERN_CHECK(match != nullptr);
  }

  // The first match at or after `begin` of well-formed `text`, as its begin and end. Where PCRE2
  // meets its limits, one character is taken for a match.
  std::pair<size_t, size_t> Next(absl::string_view text, size_t begin) const {
    const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    for (const uint32_t engine : {uint32_t{0}, uint32_t{PCRE2_NO_JIT}}) {
      const int found = pcre2_match(pattern->code, subject, text.size(), begin,
                                    PCRE2_NO_UTF_CHECK | engine, match.get(), nullptr);
      if (found == PCRE2_ERROR_NOMATCH) return {text.size(), text.size()};
      const size_t* place = pcre2_get_ovector_pointer(match.get());
      if (found > 0 && place[1] > place[0]) return {place[0], place[1]};
    }
    return {begin, begin + NextUtf8(text.substr(begin)).bytes};
  }
};

PreTokenizer::PreTokenizer() = default;
PreTokenizer::~PreTokenizer() = default;

absl::StatusOr<std::unique_ptr<PreTokenizer>> PreTokenizer::Create(absl::string_view name) {
  std::vector<std::string> known;
  for (const Kind& kind : Kinds()) {
    known.insert(known.end(), kind.names.begin(), kind.names.end());
    if (std::find(kind.names.begin(), kind.names.end(), name) == kind.names.end()) continue;
    std::unique_ptr<PreTokenizer> made(new PreTokenizer);
    made->whole_pieces_ = kind.whole_pieces;
    for (const char* pass : kind.passes) {
      made->patterns_.push_back(std::make_unique<const Pattern>(pass));
    }
    return made;
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "found ", absl::Utf8SafeCEscape(name), ", this build reads ", absl::StrJoin(known, ", ")));
}

std::string PreTokenizer::NameOfExpression(absl::string_view expression) {
  for (const auto& [known, name] : kExpressions) {
    if (expression == known) return name;
  }
  return "";
}

// Matches are pieces, and so is what lies between them; the next pass cuts both further.
void PreTokenizer::SplitPass(size_t pass, absl::string_view text, std::vector<Pass>& passes,
                             Sink sink) const {
  if (pass == passes.size()) return sink(text);
  for (size_t begin = 0; begin < text.size();) {
    const std::pair<size_t, size_t> match = passes[pass].Next(text, begin);
    if (match.first > begin) {
      SplitPass(pass + 1, text.substr(begin, match.first - begin), passes, sink);
    }
    if (match.second > match.first) {
      SplitPass(pass + 1, text.substr(match.first, match.second - match.first), passes, sink);
    }
    begin = match.second;
  }
}

void PreTokenizer::Split(absl::string_view text, Sink sink) const {
  std::vector<Pass> passes;
  for (const auto& pattern : patterns_) passes.emplace_back(*pattern);
  while (!text.empty()) {
    const absl::string_view good = text.substr(0, WellFormedBytes(text));
    SplitPass(0, good, passes, sink);
    text.remove_prefix(good.size());
    if (text.empty()) break;
    sink(text.substr(0, 1));
    text.remove_prefix(1);
  }
}

}  // namespace tern
