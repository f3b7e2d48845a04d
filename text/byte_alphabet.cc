// SPDX-License-Identifier: MIT
#include "text/byte_alphabet.h"

#include <array>

#include "text/utf8.h"

namespace tern {
namespace {

constexpr bool IsPrintable(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

constexpr int kLetters = 0x100 + 68;

struct Alphabet {
  std::array<char32_t, 256> letter{};
  std::array<int, kLetters> byte{};  // -1: not a letter
};

constexpr Alphabet MakeAlphabet() {
  Alphabet alphabet;
  alphabet.byte.fill(-1);
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const char32_t letter = IsPrintable(byte) ? static_cast<char32_t>(byte) : next++;
    alphabet.letter[byte] = letter;
    alphabet.byte[letter] = byte;
  }
  return alphabet;
}

constexpr Alphabet kAlphabet = MakeAlphabet();

}  // namespace

std::string BytesToLetters(absl::string_view bytes) {
  std::string letters;
  for (const char byte : bytes) AppendUtf8(kAlphabet.letter[static_cast<uint8_t>(byte)], letters);
  return letters;
}

std::optional<std::string> LettersToBytes(absl::string_view letters) {
  std::string bytes;
  while (!letters.empty()) {
    const Utf8Part part = NextUtf8(letters);
    if (part.kind != Utf8Kind::kCharacter) return std::nullopt;
    const char32_t letter = DecodeUtf8(letters.substr(0, part.bytes));
    if (letter >= kLetters || kAlphabet.byte[letter] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(kAlphabet.byte[letter]));
    letters.remove_prefix(part.bytes);
  }
  return bytes;
}

}  // namespace tern
