// SPDX-License-Identifier: MIT
// How ternary weights lie in memory: the file's layout and the one the kernels read.
//
// A trit t in {-1, 0, +1} is stored as the 2-bit code t + 1; code 3 never occurs.
//
// I2_S (files; docs/formats.md): rows follow each other; each 128 columns take 32 bytes, byte p
// holds columns p, 32+p, 64+p, 96+p from the high bits down.
//
// T2R16 (memory): tiles of 16 rows x 16 columns; kernels/t2r16.h.
#ifndef TERN_KERNELS_PACKING_H_
#define TERN_KERNELS_PACKING_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "kernels/t2r16.h"

namespace tern {

inline constexpr size_t kI2SBlockCols = 128;
inline constexpr size_t kI2SBlockBytes = 32;
inline constexpr size_t kI2STailBytes = 32;  // float32 scale, then zeros

// Bytes of a [rows, cols] matrix in T2R16. `cols` is a multiple of 16.
constexpr size_t T2R16Bytes(size_t rows, size_t cols) {
  return (rows + kT2R16Rows - 1) / kT2R16Rows * (cols / kT2R16Cols) * kT2R16TileBytes;
}

// Packs trits, [rows, cols] with cols % 128 == 0, into rows * cols / 4 bytes of I2_S (no tail).
void PackI2S(std::span<const int8_t> trits, std::span<uint8_t> packed);

// The reverse of PackI2S. DATA_LOSS, naming the byte, if code 3 occurs.
absl::Status UnpackI2S(std::span<const uint8_t> packed, std::span<int8_t> trits);

// Packs rows [row_begin, row_end), whose trits, [rows, cols], begin at `trits`, into their place in
// a T2R16 matrix. row_begin is a multiple of 16, and row_end too unless it is the last row; cols is
// a multiple of 16.
void PackT2R16(const int8_t* trits, size_t cols, size_t row_begin, size_t row_end, uint8_t* t2r16);

// The trits of one row.
void UnpackT2R16Row(const uint8_t* t2r16, size_t cols, size_t row, int8_t* trits /*[cols]*/);

// Writes rows [row_begin, row_end) of an I2_S matrix of `cols` columns into their place in a T2R16
// matrix; both pointers are to the whole matrix. row_begin is a multiple of 16, and row_end too
// unless it is the last row, so that threads may share the work. DATA_LOSS if code 3 occurs.
// REQUIRES cols % 128 == 0: otherwise a row begins within a block.
absl::Status RepackI2SToT2R16(const uint8_t* i2s, size_t cols, size_t row_begin, size_t row_end,
                              uint8_t* t2r16);

}  // namespace tern

#endif  // TERN_KERNELS_PACKING_H_
