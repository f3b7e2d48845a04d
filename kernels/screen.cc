// SPDX-License-Identifier: MIT
#include "kernels/screen.h"

namespace tern {

void PackQ8R16Row(const int8_t* weights, size_t cols, uint8_t* to) {
  for (size_t col = 0; col < cols; col += kQ8R16Cols, to += kQ8R16TileBytes) {
    for (size_t i = 0; i < kQ8R16Cols; ++i) {
      to[i] = static_cast<uint8_t>(weights[col + i] + kQ8R16Zero);
    }
  }
}

}  // namespace tern
