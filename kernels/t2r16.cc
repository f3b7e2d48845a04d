// SPDX-License-Identifier: MIT
#include "kernels/t2r16.h"

#include "kernels/trit_words.h"

namespace tern {

void PackT2R16Row(const int8_t* trits, size_t cols, uint8_t* to) {
  for (size_t col = 0; col < cols; col += kT2R16Cols, to += kT2R16TileBytes) {
    uint32_t packed = 0;
    for (size_t j = 0; j < 4; ++j) packed |= FourCodes(trits + col + 4 * j) << 2 * j;
    StoreWord(packed, to);
  }
}

void UnpackT2R16Row(const uint8_t* from, size_t cols, int8_t* trits) {
  for (size_t col = 0; col < cols; col += kT2R16Cols, from += kT2R16TileBytes) {
    for (size_t j = 0; j < kT2R16Cols; ++j) {
      trits[col + j] = static_cast<int8_t>((from[j % 4] >> (j / 4 * 2) & 3) - 1);
    }
  }
}

}  // namespace tern
