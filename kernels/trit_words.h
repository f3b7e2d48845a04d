// SPDX-License-Identifier: MIT
// Trits four at a time, as the bytes of a word. No bit leaves its byte, so the machine's byte order
// does not matter.
#ifndef TERN_KERNELS_TRIT_WORDS_H_
#define TERN_KERNELS_TRIT_WORDS_H_

#include <cstdint>
#include <cstring>

namespace tern {

inline void StoreWord(uint32_t word, uint8_t* bytes) { std::memcpy(bytes, &word, sizeof(word)); }

// The codes, trit + 1, of four trits. Adding 1 to a byte 0xff would carry into the next, so the
// sign bits are flipped first: 0x7f, 0x80 and 0x81, and nothing is borrowed.
inline uint32_t FourCodes(const int8_t* trits) {
  uint32_t four;
  std::memcpy(&four, trits, sizeof(four));
  return ((four ^ 0x80808080u) - 0x7f7f7f7fu) & 0x03030303u;
}

}  // namespace tern

#endif  // TERN_KERNELS_TRIT_WORDS_H_
