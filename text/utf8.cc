// SPDX-License-Identifier: MIT
#include "text/utf8.h"

#include "base/log.h"

namespace tern {
namespace {

// What a lead byte asks for: the length of its character and the range of the second byte.
struct Lead {
  size_t bytes;  // 0: no character starts with this byte
  uint8_t second_least;
  uint8_t second_most;
};

Lead LeadOf(uint8_t byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xc2) return {0, 0, 0};
  if (byte < 0xe0) return {2, 0x80, 0xbf};
  if (byte == 0xe0) return {3, 0xa0, 0xbf};  // no overlong forms
  if (byte == 0xed) return {3, 0x80, 0x9f};  // no surrogates
  if (byte < 0xf0) return {3, 0x80, 0xbf};
  if (byte == 0xf0) return {4, 0x90, 0xbf};
  if (byte < 0xf4) return {4, 0x80, 0xbf};
  if (byte == 0xf4) return {4, 0x80, 0x8f};  // none past U+10FFFF
  return {0, 0, 0};
}

}  // namespace

Utf8Part NextUtf8(absl::string_view text) {
  const Lead lead = LeadOf(static_cast<uint8_t>(text[0]));
  if (lead.bytes == 0) return {Utf8Kind::kIllFormed, 1};
  for (size_t i = 1; i < lead.bytes; ++i) {
    if (i == text.size()) return {Utf8Kind::kCutShort, i};
    const uint8_t byte = static_cast<uint8_t>(text[i]);
    const uint8_t least = i == 1 ? lead.second_least : 0x80;
    const uint8_t most = i == 1 ? lead.second_most : 0xbf;
    if (byte < least || byte > most) return {Utf8Kind::kIllFormed, i};
  }
  return {Utf8Kind::kCharacter, lead.bytes};
}

char32_t DecodeUtf8(absl::string_view character) {
  const uint8_t first = static_cast<uint8_t>(character[0]);
  if (character.size() == 1) return first;
  char32_t code = first & (0x7f >> character.size());
  for (size_t i = 1; i < character.size(); ++i) {
    code = code << 6 | (static_cast<uint8_t>(character[i]) & 0x3f);
  }
  return code;
}

void AppendUtf8(char32_t code, std::string& text) {
  TERN_CHECK(code < 0x800);
  if (code < 0x80) {
    text.push_back(static_cast<char>(code));
    return;
  }
  text.push_back(static_cast<char>(0xc0 | code >> 6));
  text.push_back(static_cast<char>(0x80 | (code & 0x3f)));
}

}  // namespace tern
