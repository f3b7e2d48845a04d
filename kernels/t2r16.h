// SPDX-License-Identifier: MIT
// The T2R16 layout of ternary weights, which all kernels read. Apart from packing.h because files
// compiled for one instruction set include it.
//
// A trit t in {-1, 0, +1} is stored as the 2-bit code t + 1; code 3 never occurs. Rows lie in
// groups of 16, columns in groups of 16; each 16 x 16 tile is 64 bytes, tiles of one row group
// follow each other. Byte 4*r + k of a tile holds, from the low bits up, columns k, 4+k, 8+k, 12+k
// of row r. A kernel thus sums 16 rows in 16 lanes and needs no horizontal sum. Rows are padded to
// a multiple of 16 with trit 0.
#ifndef TERN_KERNELS_T2R16_H_
#define TERN_KERNELS_T2R16_H_

#include <cstddef>

namespace tern {

inline constexpr size_t kT2R16Rows = 16;
inline constexpr size_t kT2R16Cols = 16;
inline constexpr size_t kT2R16TileBytes = 64;

}  // namespace tern

#endif  // TERN_KERNELS_T2R16_H_
