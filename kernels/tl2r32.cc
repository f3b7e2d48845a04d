// SPDX-License-Identifier: MIT
#include "kernels/tl2r32.h"

#include <cstdlib>

namespace tern {
namespace {

constexpr int kMostMagnitude = 13;

// The trits of `number` = 9a + 3b + c, in balanced base 3.
struct Triple {
  int a, b, c;
};

constexpr Triple TripleOf(int number) {
  const int shifted = number + 13;  // digits 0, 1, 2 of this are the trits + 1
  return {shifted / 9 - 1, shifted / 3 % 3 - 1, shifted % 3 - 1};
}

constexpr TL2R32Trits MakeTrits() {
  TL2R32Trits trits = {};
  for (int magnitude = 0; magnitude <= kMostMagnitude; ++magnitude) {
    const Triple triple = TripleOf(magnitude);
    trits.a[magnitude] = static_cast<int16_t>(triple.a);
    trits.b[magnitude] = static_cast<int16_t>(triple.b);
    trits.c[magnitude] = static_cast<int16_t>(triple.c);
  }
  return trits;
}

}  // namespace

constinit const TL2R32Trits kTL2R32Trits = MakeTrits();

void PackTL2R32Row(const int8_t* trits, size_t cols, size_t row, uint8_t* group) {
  const auto trit = [&](size_t col) { return col < cols ? trits[col] : 0; };
  uint8_t* tile = group;
  for (size_t col = 0; col < cols; col += kTL2R32Cols, tile += kTL2R32TileBytes) {
    for (size_t i = 0; i < kTL2R32Triples; ++i) {
      const size_t at = col + 3 * i;
      const int number = 9 * trit(at) + 3 * trit(at + 1) + trit(at + 2);
      const int shift = static_cast<int>(i % 2 * 4);
      uint8_t& pair = tile[i / 2 * kTL2R32Rows + row];
      pair = static_cast<uint8_t>((pair & 0xF0 >> shift) | std::abs(number) << shift);
      uint8_t& signs = tile[kTL2R32SignsAt + 4 * i + row / 8];
      const auto bit = static_cast<uint8_t>(1 << row % 8);
      signs = static_cast<uint8_t>(number < 0 ? signs | bit : signs & ~bit);
    }
  }
}

void UnpackTL2R32Row(const uint8_t* group, size_t cols, size_t row, int8_t* trits) {
  const uint8_t* tile = group;
  for (size_t col = 0; col < cols; col += kTL2R32Cols, tile += kTL2R32TileBytes) {
    for (size_t i = 0; i < kTL2R32Triples; ++i) {
      const int magnitude = tile[i / 2 * kTL2R32Rows + row] >> (i % 2 * 4) & 15;
      const bool negative = tile[kTL2R32SignsAt + 4 * i + row / 8] >> row % 8 & 1;
      const Triple triple = TripleOf(negative ? -magnitude : magnitude);
      const int three[3] = {triple.a, triple.b, triple.c};
      for (size_t k = 0; k < 3 && col + 3 * i + k < cols; ++k) {
        trits[col + 3 * i + k] = static_cast<int8_t>(three[k]);
      }
    }
  }
}

}  // namespace tern
