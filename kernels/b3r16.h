// SPDX-License-Identifier: MIT
// The B3R16 packing of ternary weights: base 3, 5 weights a byte, 1.6 bits each, 16 rows
// interleaved. Apart from packing.h because files compiled for one instruction set include it.
//
// A tile is 16 rows x 20 columns in 64 bytes. Byte 4*r + k holds the codes (trit + 1) of columns k,
// 4+k, 8+k, 12+k and 16+k of row r, called d0 to d4. Which byte stands for which digits is made for
// tables of 64 entries, the width of one AVX-512 VBMI or NEON look-up, indexed by the low 6 bits:
//
//   byte < 192    d4 = byte / 64, and the low 6 bits are d0 + 3 d1 + 9 d2 + 27 d3, which is < 64
//   byte >= 192   the 17 sums that are not: 64 + n, with the low 6 bits being
//                 1 + n + 21 (2 - d4). So -3 * byte, modulo 256, has d4 in its upper two bits.
//
// A look-up gives the four 2-bit codes d0 | d1<<2 | d2<<4 | d3<<6, as a byte of T2R16 has them. No
// look-up is needed for d4.
#ifndef TERN_KERNELS_B3R16_H_
#define TERN_KERNELS_B3R16_H_

#include <cstddef>
#include <cstdint>

namespace tern {

inline constexpr size_t kB3R16Rows = 16;
inline constexpr size_t kB3R16Cols = 20;
inline constexpr size_t kB3R16TileBytes = 64;

// d0 | d1<<2 | d2<<4 | d3<<6 by the low 6 bits of a byte below 192, and of one from there on.
struct B3R16Tables {
  uint8_t low[64];
  uint8_t high[64];
};
extern const B3R16Tables kB3R16Tables;

// One row to its place in a group of 16: `to` is byte 4*r of the group's first tile. Columns of the
// last tile past `cols` get code 0.
void PackB3R16Row(const int8_t* trits /*[cols]*/, size_t cols, uint8_t* to);
void UnpackB3R16Row(const uint8_t* from, size_t cols, int8_t* trits /*[cols]*/);

}  // namespace tern

#endif  // TERN_KERNELS_B3R16_H_
