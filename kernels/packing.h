// SPDX-License-Identifier: MIT
// How ternary weights lie in memory for the kernels. A packing is made of tiles: so many rows times
// so many columns in so many bytes. The tiles of one group of rows follow each other along the
// columns, then come the next rows. Rows are padded to whole tiles with trit 0, columns with what
// multiplies whatever activations stand there to nothing.
//
// A packing is the same on every CPU; which one a matrix is in is decided by measuring
// (kernels/tuner.h). docs/kernels.md draws the bytes of each.
#ifndef TERN_KERNELS_PACKING_H_
#define TERN_KERNELS_PACKING_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace tern {

enum class Packing : uint8_t {
  kT2R16,   // kernels/t2r16.h: 2 bits a weight
  kB3R16,   // kernels/b3r16.h: 5 weights a byte
  kTL2R32,  // kernels/tl2r32.h: 3 weights in 5 bits, for look-ups
  kTL1R16,  // kernels/tl1r16.h: 2 weights in 4 bits, for look-ups
};

struct PackingInfo {
  Packing packing;
  const char* name;  // as kernels' names have it
  size_t tile_rows;  // divides kRowSplit
  size_t tile_cols;
  size_t tile_bytes;
};

// All packings, in the order of the enum.
std::span<const PackingInfo> Packings();
const PackingInfo& InfoOf(Packing packing);

// Parts of a matrix, for threads or loops, begin at multiples of so many rows, whatever its
// packing: the most that a tile has.
inline constexpr size_t kRowSplit = 32;

constexpr size_t RoundUp(size_t count, size_t multiple) {
  return (count + multiple - 1) / multiple * multiple;
}

// Columns with padding: kernels read so many activations of each row.
size_t PaddedCols(Packing packing, size_t cols);

// Bytes of a [rows, cols] matrix; also where row `rows` begins, if it is a multiple of kRowSplit.
size_t PackedBytes(Packing packing, size_t rows, size_t cols);

// Packs rows [row_begin, row_end), whose trits, [rows, cols], begin at `trits`, into their place in
// a matrix of `cols` columns, a multiple of 16. row_begin is a multiple of the packing's tile_rows,
// and row_end too unless it is the last row, so that threads may share the work.
void PackRows(Packing packing, const int8_t* trits, size_t cols, size_t row_begin, size_t row_end,
              uint8_t* packed);

// The trits of one row.
void UnpackRow(Packing packing, const uint8_t* packed, size_t cols, size_t row,
               int8_t* trits /*[cols]*/);

}  // namespace tern

#endif  // TERN_KERNELS_PACKING_H_
