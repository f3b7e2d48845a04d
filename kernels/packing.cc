// SPDX-License-Identifier: MIT
#include "kernels/packing.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/log.h"

namespace tern {
namespace {

constexpr size_t kI2SQuarterCols = kI2SBlockCols / 4;  // columns of a block in one bit pair
constexpr uint8_t kZeroTrits = 0x55;                   // four trits 0, in both layouts

// Code 3 in any of the four fields of each byte of `packed`.
constexpr uint32_t Code3(uint32_t packed) { return packed & (packed >> 1) & 0x55555555u; }

absl::Status FindCode3(const uint8_t* packed, size_t begin, size_t end) {
  for (size_t i = begin; i < end; ++i) {
    if (Code3(packed[i]) != 0) {
      return absl::DataLossError(absl::StrCat("I2_S byte ", i, ": found code 3 in 0x",
                                              absl::Hex(packed[i], absl::kZeroPad2),
                                              ", want codes 0, 1 and 2"));
    }
  }
  return absl::OkStatus();
}

uint32_t LoadWord(const uint8_t* bytes) {
  uint32_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

void StoreWord(uint32_t word, uint8_t* bytes) { std::memcpy(bytes, &word, sizeof(word)); }

// The four bytes of one row in tile `tile` (of 8) of an I2_S block: byte k takes columns k, 4+k,
// 8+k and 12+k of the tile. Works on four bytes at once; no bit leaves its byte, so the machine's
// byte order does not matter.
uint32_t TileRow(const uint8_t* block, size_t tile) {
  const size_t first_col = tile * kT2R16Cols;
  const uint8_t* bytes = block + first_col % kI2SQuarterCols;
  const size_t shift = 6 - 2 * (first_col / kI2SQuarterCols);
  uint32_t row = 0;
  for (size_t j = 0; j < 4; ++j) {
    row |= (LoadWord(bytes + 4 * j) >> shift & 0x03030303u) << 2 * j;
  }
  return row;
}

// Repacks one row of I2_S, cols / 4 bytes, to its place in the row group. Returns whether it met
// code 3.
bool RepackRow(const uint8_t* i2s, size_t cols, uint8_t* t2r16) {
  uint32_t code3 = 0;
  for (size_t col = 0; col < cols; col += kI2SBlockCols) {
    for (size_t i = 0; i < kI2SBlockBytes; i += 4) code3 |= Code3(LoadWord(i2s + i));
    for (size_t tile = 0; tile < kI2SBlockCols / kT2R16Cols; ++tile) {
      StoreWord(TileRow(i2s, tile), t2r16);
      t2r16 += kT2R16TileBytes;
    }
    i2s += kI2SBlockBytes;
  }
  return code3 != 0;
}

// Gives the rows after row_end in its row group trits of 0.
void FillRest(size_t row_end, size_t cols, uint8_t* t2r16) {
  const size_t used_rows = row_end % kT2R16Rows;
  if (used_rows == 0) return;
  const size_t group_bytes = T2R16Bytes(kT2R16Rows, cols);
  uint8_t* group = t2r16 + row_end / kT2R16Rows * group_bytes;
  for (size_t tile = 0; tile < group_bytes; tile += kT2R16TileBytes) {
    std::fill(group + tile + used_rows * 4, group + tile + kT2R16TileBytes, kZeroTrits);
  }
}

}  // namespace

void PackI2S(std::span<const int8_t> trits, std::span<uint8_t> packed) {
  TERN_CHECK(trits.size() == packed.size() * 4 && trits.size() % kI2SBlockCols == 0);
  for (size_t i = 0; i < packed.size(); ++i) {
    const size_t block = i / kI2SBlockBytes;
    const int8_t* t = trits.data() + block * kI2SBlockCols + i % kI2SBlockBytes;
    packed[i] =
        static_cast<uint8_t>((t[0] + 1) << 6 | (t[32] + 1) << 4 | (t[64] + 1) << 2 | (t[96] + 1));
  }
}

absl::Status UnpackI2S(std::span<const uint8_t> packed, std::span<int8_t> trits) {
  TERN_CHECK(trits.size() == packed.size() * 4 && trits.size() % kI2SBlockCols == 0);
  if (absl::Status status = FindCode3(packed.data(), 0, packed.size()); !status.ok()) {
    return status;
  }
  for (size_t i = 0; i < packed.size(); ++i) {
    const size_t block = i / kI2SBlockBytes;
    int8_t* t = trits.data() + block * kI2SBlockCols + i % kI2SBlockBytes;
    for (size_t quarter = 0; quarter < 4; ++quarter) {
      const int code = packed[i] >> (6 - 2 * quarter) & 3;
      t[quarter * kI2SQuarterCols] = static_cast<int8_t>(code - 1);
    }
  }
  return absl::OkStatus();
}

absl::Status RepackI2SToT2R16(const uint8_t* i2s, size_t cols, size_t row_begin, size_t row_end,
                              uint8_t* t2r16) {
  const size_t row_bytes = cols / 4;
  const size_t group_bytes = T2R16Bytes(kT2R16Rows, cols);
  for (size_t row = row_begin; row < row_end; ++row) {
    uint8_t* group = t2r16 + row / kT2R16Rows * group_bytes;
    if (RepackRow(i2s + row * row_bytes, cols, group + row % kT2R16Rows * 4)) {
      return FindCode3(i2s, row * row_bytes, (row + 1) * row_bytes);
    }
  }
  FillRest(row_end, cols, t2r16);
  return absl::OkStatus();
}

void PackT2R16(const int8_t* trits, size_t cols, size_t row_begin, size_t row_end, uint8_t* t2r16) {
  const size_t group_bytes = T2R16Bytes(kT2R16Rows, cols);
  for (size_t row = row_begin; row < row_end; ++row) {
    uint8_t* to = t2r16 + row / kT2R16Rows * group_bytes + row % kT2R16Rows * 4;
    const int8_t* from = trits + (row - row_begin) * cols;
    for (size_t col = 0; col < cols; col += kT2R16Cols) {
      uint32_t packed = 0;
      for (size_t j = 0; j < 4; ++j) {
        // Four trits become codes at once. Adding 1 to a byte 0xff would carry into the next, so
        // the sign bits are flipped first: 0x7f, 0x80 and 0x81, and nothing is borrowed.
        const uint32_t four = LoadWord(reinterpret_cast<const uint8_t*>(from + col + 4 * j));
        packed |= (((four ^ 0x80808080u) - 0x7f7f7f7fu) & 0x03030303u) << 2 * j;
      }
      StoreWord(packed, to + col / kT2R16Cols * kT2R16TileBytes);
    }
  }
  FillRest(row_end, cols, t2r16);
}

void UnpackT2R16Row(const uint8_t* t2r16, size_t cols, size_t row, int8_t* trits) {
  const uint8_t* from =
      t2r16 + row / kT2R16Rows * T2R16Bytes(kT2R16Rows, cols) + row % kT2R16Rows * 4;
  for (size_t col = 0; col < cols; col += kT2R16Cols) {
    const uint8_t* bytes = from + col / kT2R16Cols * kT2R16TileBytes;
    for (size_t j = 0; j < kT2R16Cols; ++j) {
      trits[col + j] = static_cast<int8_t>((bytes[j % 4] >> (j / 4 * 2) & 3) - 1);
    }
  }
}

}  // namespace tern
