// SPDX-License-Identifier: MIT
// The TL1R16 packing of ternary weights, for look-up kernels: pairs of weights as indices of a
// table, 2 bits a weight, 16 rows interleaved. The idea is bitnet.cpp's TL1 (arXiv:2502.11880); the
// layout is Tern's own and depends on nothing but the matrix. Apart from packing.h because files
// compiled for one instruction set include it.
//
// A tile is 16 rows x 16 columns in 64 bytes. Byte 16*k + r holds two pairs of row r: that of
// columns 4k and 4k+1 in the low 4 bits, that of 4k+2 and 4k+3 in the upper. A pair (t, u) is
// 3t + u + 4, from 0 to 8.
//
// A kernel makes a table of the nine sums t x + u y for each pair of activations (x, y). One
// look-up then multiplies a pair of columns in 16 rows.
#ifndef TERN_KERNELS_TL1R16_H_
#define TERN_KERNELS_TL1R16_H_

#include <cstddef>
#include <cstdint>

namespace tern {

inline constexpr size_t kTL1R16Rows = 16;
inline constexpr size_t kTL1R16Cols = 16;
inline constexpr size_t kTL1R16TileBytes = 64;

// Kernels keep tables for so many columns, and sums of 16 bits over them: 128 pairs of at most 254
// in magnitude make 32,512 < 32,768.
inline constexpr size_t kTL1R16BlockCols = 256;

// One row to its place in a group of 16: `to` is byte r of the group's first tile, for row r.
void PackTL1R16Row(const int8_t* trits /*[cols]*/, size_t cols, uint8_t* to);
void UnpackTL1R16Row(const uint8_t* from, size_t cols, int8_t* trits /*[cols]*/);

}  // namespace tern

#endif  // TERN_KERNELS_TL1R16_H_
