// SPDX-License-Identifier: MIT
// The letters by which byte-level vocabularies write bytes (GPT-2): printable Latin-1 bytes stand
// for themselves, the other 68 are U+0100, U+0101, ... in ascending order.
#ifndef TERN_TEXT_BYTE_ALPHABET_H_
#define TERN_TEXT_BYTE_ALPHABET_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace tern {

// `bytes` written in letters, as token and merge tables hold them.
std::string BytesToLetters(absl::string_view bytes);

// The reverse; nullopt if `letters` has one that stands for no byte, or is not UTF-8.
std::optional<std::string> LettersToBytes(absl::string_view letters);

}  // namespace tern

#endif  // TERN_TEXT_BYTE_ALPHABET_H_
