// SPDX-License-Identifier: MIT
// The tokenizer on any bytes: tokens spell what was encoded, and decode to UTF-8.
#include <string>

#include "base/log.h"
#include "formats/gguf.h"
#include "tests/fuzz/fuzz_target.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace tern {
namespace {

const Tokenizer& Sample() {
  static const auto file = GgufFile::Open(TERN_TESTDATA "/tokenizer.gguf").value();
  static const auto tokenizer = Tokenizer::Create(ReadVocabulary(*file).value()).value();
  return *tokenizer;
}

}  // namespace

absl::Status RunFuzzTarget(std::span<const uint8_t> bytes) {
  const std::string text(bytes.begin(), bytes.end());
  const Tokenizer& tokenizer = Sample();
  for (const bool parse_special : {false, true}) {
    StreamingDecoder decoder(tokenizer);
    std::string spelled;
    std::string decoded;
    for (const TokenId id : tokenizer.Encode(text, parse_special)) {
      spelled += tokenizer.TokenBytes(id);
      decoded += decoder.Push(id);
    }
    decoded += decoder.Finish();
    TERN_CHECK(spelled == text);
    for (absl::string_view rest = decoded; !rest.empty();) {
      const Utf8Part part = NextUtf8(rest);
      TERN_CHECK(part.kind == Utf8Kind::kCharacter);
      rest.remove_prefix(part.bytes);
    }
  }
  return absl::OkStatus();
}

}  // namespace tern
