// SPDX-License-Identifier: MIT
// The TL2R32 packing of ternary weights, for look-up kernels: triples of weights with their sign
// apart, 5 bits for 3 weights, 32 rows interleaved. The idea is bitnet.cpp's TL2
// (arXiv:2502.11880); the layout is Tern's own and depends on nothing but the matrix. Apart from
// packing.h because files compiled for one instruction set include it.
//
// A triple of trits (a, b, c) is the number 9a + 3b + c, of magnitude 0 to 13. A tile is 32 rows x
// 24 columns, 8 triples, in 160 bytes. Byte 32*j + r, j < 4, holds the magnitudes of row r's
// triples 2j (low 4 bits) and 2j + 1 (high 4 bits). Then, for each triple, follow 4 bytes: bit r,
// from the lowest of the first, is set where row r's triple is negative. Columns past the last are
// trits 0.
#ifndef TERN_KERNELS_TL2R32_H_
#define TERN_KERNELS_TL2R32_H_

#include <cstddef>
#include <cstdint>

namespace tern {

inline constexpr size_t kTL2R32Rows = 32;
inline constexpr size_t kTL2R32Cols = 24;
inline constexpr size_t kTL2R32Triples = kTL2R32Cols / 3;
inline constexpr size_t kTL2R32SignBytes = 4 * kTL2R32Triples;
inline constexpr size_t kTL2R32SignsAt = 16 * kTL2R32Triples;
inline constexpr size_t kTL2R32TileBytes = kTL2R32SignsAt + kTL2R32SignBytes;

// Products of one triple: of the trits with each magnitude, with three activations; two are unused.
inline constexpr size_t kTL2R32Entries = 16;

// Columns whose tables, 27 KiB, are made at a time: they stay in the L1 cache for all rows.
inline constexpr size_t kTL2R32BlockCols = 108 * kTL2R32Cols;

// A sum of int16 products, at most 3 * 127 = 381 in magnitude each, holds for so many tiles:
// 80 * 381 = 30,480 < 32,768.
inline constexpr size_t kTL2R32TilesBeforeWidening = 10;

// The trits of each magnitude, as three rows: a, b, c.
struct TL2R32Trits {
  int16_t a[kTL2R32Entries];
  int16_t b[kTL2R32Entries];
  int16_t c[kTL2R32Entries];
};
extern const TL2R32Trits kTL2R32Trits;

// Row `row` of 32 to its place; `group` is the first tile of its row group.
void PackTL2R32Row(const int8_t* trits /*[cols]*/, size_t cols, size_t row, uint8_t* group);
void UnpackTL2R32Row(const uint8_t* group, size_t cols, size_t row, int8_t* trits /*[cols]*/);

}  // namespace tern

#endif  // TERN_KERNELS_TL2R32_H_
