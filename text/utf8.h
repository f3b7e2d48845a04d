// SPDX-License-Identifier: MIT
// Cuts bytes into UTF-8 characters and what is not UTF-8 (Unicode 15, section 3.9, table 3-7).
#ifndef TERN_TEXT_UTF8_H_
#define TERN_TEXT_UTF8_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace tern {

enum class Utf8Kind {
  kCharacter,  // a whole, well-formed character
  kIllFormed,  // a maximal ill-formed part: no continuation makes it a character
  kCutShort,   // the text ends within what could still become a character
};

struct Utf8Part {
  Utf8Kind kind = Utf8Kind::kIllFormed;
  size_t bytes = 0;
};

// The part that `text` begins with. REQUIRES that `text` is not empty.
Utf8Part NextUtf8(absl::string_view text);

// The code point of one character that NextUtf8 found well-formed.
char32_t DecodeUtf8(absl::string_view character);

// Appends the UTF-8 form of `code`, which is below 0x800: all that byte-level vocabularies use.
void AppendUtf8(char32_t code, std::string& text);

}  // namespace tern

#endif  // TERN_TEXT_UTF8_H_
