// SPDX-License-Identifier: MIT
#include "kernels/b3r16.h"

#include "kernels/trit_words.h"

namespace tern {
namespace {

constexpr int kLowSums = 64;              // sums of d0 to d3 that bytes below 192 hold
constexpr int kHighSums = 81 - kLowSums;  // and those of the others

constexpr uint8_t HighByte(int n, int d4) {
  return static_cast<uint8_t>(192 + 1 + n + 21 * (2 - d4));
}

// The 2-bit codes of d0 + 3 d1 + 9 d2 + 27 d3.
constexpr uint8_t Codes(int sum) {
  return static_cast<uint8_t>(sum % 3 | sum / 3 % 3 << 2 | sum / 9 % 3 << 4 | sum / 27 << 6);
}

constexpr B3R16Tables MakeTables() {
  B3R16Tables tables = {};
  for (int sum = 0; sum < kLowSums; ++sum) tables.low[sum] = Codes(sum);
  for (int n = 0; n < kHighSums; ++n) {
    for (int d4 = 0; d4 < 3; ++d4) tables.high[HighByte(n, d4) & 63] = Codes(kLowSums + n);
  }
  return tables;
}

// The byte of d0 + 3 d1 + 9 d2 + 27 d3 + 81 d4.
struct Bytes {
  uint8_t of[243];
};

constexpr Bytes MakeBytes() {
  Bytes bytes = {};
  for (int value = 0; value < 243; ++value) {
    const int sum = value % 81, d4 = value / 81;
    bytes.of[value] =
        sum < kLowSums ? static_cast<uint8_t>(64 * d4 + sum) : HighByte(sum - kLowSums, d4);
  }
  return bytes;
}

constexpr Bytes kBytes = MakeBytes();

// 4 bytes from `four`, [5] words of 4 codes each.
void PackFour(const uint32_t* four, uint8_t* to) {
  // At most 242 a byte: nothing carries.
  const uint32_t values = four[0] + 3 * four[1] + 9 * four[2] + 27 * four[3] + 81 * four[4];
  uint8_t bytes[4];
  StoreWord(values, bytes);
  for (int k = 0; k < 4; ++k) to[k] = kBytes.of[bytes[k]];
}

}  // namespace

constinit const B3R16Tables kB3R16Tables = MakeTables();

void PackB3R16Row(const int8_t* trits, size_t cols, uint8_t* to) {
  for (size_t col = 0; col < cols; col += kB3R16Cols, to += kB3R16TileBytes) {
    uint32_t codes[5] = {};
    for (size_t j = 0; j < 5 && col + 4 * j < cols; ++j) codes[j] = FourCodes(trits + col + 4 * j);
    PackFour(codes, to);
  }
}

void UnpackB3R16Row(const uint8_t* from, size_t cols, int8_t* trits) {
  for (size_t col = 0; col < cols; col += kB3R16Cols, from += kB3R16TileBytes) {
    for (size_t j = 0; j < kB3R16Cols && col + j < cols; ++j) {
      const int byte = from[j % 4];
      const bool is_high = byte >= 192;
      const int codes = (is_high ? kB3R16Tables.high : kB3R16Tables.low)[byte & 63];
      const int fifth = (is_high ? -3 * byte & 255 : byte) >> 6;
      const int code = j < 16 ? codes >> (j / 4 * 2) & 3 : fifth;
      trits[col + j] = static_cast<int8_t>(code - 1);
    }
  }
}

}  // namespace tern
