// SPDX-License-Identifier: MIT
// The T2R16 packing of ternary weights: 2 bits a weight, 16 rows interleaved. Apart from packing.h
// because files compiled for one instruction set include it.
//
// A tile is 16 rows x 16 columns in 64 bytes. Byte 4*r + k holds, from the low bits up, the codes
// (trit + 1) of columns k, 4+k, 8+k and 12+k of row r. A kernel thus sums 16 rows in 16 lanes and
// needs no horizontal sum.
#ifndef TERN_KERNELS_T2R16_H_
#define TERN_KERNELS_T2R16_H_

#include <cstddef>
#include <cstdint>

namespace tern {

inline constexpr size_t kT2R16Rows = 16;
inline constexpr size_t kT2R16Cols = 16;
inline constexpr size_t kT2R16TileBytes = 64;

// One row to its place in a group of 16: `to` is byte 4*r of the group's first tile.
void PackT2R16Row(const int8_t* trits /*[cols]*/, size_t cols, uint8_t* to);
void UnpackT2R16Row(const uint8_t* from, size_t cols, int8_t* trits /*[cols]*/);

}  // namespace tern

#endif  // TERN_KERNELS_T2R16_H_
