// SPDX-License-Identifier: MIT
#include "kernels/tl1r16.h"

namespace tern {
namespace {

int PairIndex(const int8_t* trits) { return 3 * trits[0] + trits[1] + 4; }

void UnpackPair(int index, int8_t* trits) {
  trits[0] = static_cast<int8_t>(index / 3 - 1);
  trits[1] = static_cast<int8_t>(index % 3 - 1);
}

}  // namespace

void PackTL1R16Row(const int8_t* trits, size_t cols, uint8_t* to) {
  for (size_t col = 0; col < cols; col += 4, to += kTL1R16Rows) {
    *to = static_cast<uint8_t>(PairIndex(trits + col) | PairIndex(trits + col + 2) << 4);
  }
}

void UnpackTL1R16Row(const uint8_t* from, size_t cols, int8_t* trits) {
  for (size_t col = 0; col < cols; col += 4, from += kTL1R16Rows) {
    UnpackPair(*from & 15, trits + col);
    UnpackPair(*from >> 4, trits + col + 2);
  }
}

}  // namespace tern
