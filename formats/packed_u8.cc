// SPDX-License-Identifier: MIT
#include "formats/packed_u8.h"

namespace tern {

bool UnpackU8(std::span<const uint8_t> packed, uint64_t rows, uint64_t cols, int8_t* trits) {
  unsigned bad = 0;
  const uint64_t quarter = rows / 4;
  for (uint64_t row = 0; row < rows; ++row) {
    const uint8_t* from = packed.data() + row % quarter * cols;
    const unsigned shift = static_cast<unsigned>(2 * (row / quarter));
    for (uint64_t col = 0; col < cols; ++col) {
      const unsigned code = from[col] >> shift & 3u;
      bad |= code & (code >> 1);
      trits[row * cols + col] = static_cast<int8_t>(static_cast<int>(code) - 1);
    }
  }
  return bad == 0;
}

}  // namespace tern
