// SPDX-License-Identifier: MIT
// Dense int8 matrix times several vectors of small integers: sums[v][r] = sum over c of
// Q[r][c] * x[v][c], exact in int32. What finds the rows of a head that may hold its largest
// products at a quarter of float's traffic (model/head_search.h). Apart from packing.h, which is
// about ternary weights.
//
// The Q8R16 packing: a tile is 16 rows x 4 columns in 64 bytes; byte 4*r + c holds column c of row
// r as q + 128; the tiles of 16 rows follow each other along the columns, then come the next 16
// rows. A kernel thus sums 16 rows in 16 lanes and needs no horizontal sum.
//
// A kernel allocates nothing, starts no thread, keeps no state and cannot fail.
#ifndef TERN_KERNELS_SCREEN_H_
#define TERN_KERNELS_SCREEN_H_

#include <cstddef>
#include <cstdint>

#include "kernels/cpu.h"
#include "kernels/gemm.h"

namespace tern {

inline constexpr size_t kQ8R16Rows = 16;
inline constexpr size_t kQ8R16Cols = 4;
inline constexpr size_t kQ8R16TileBytes = 64;
inline constexpr int kQ8R16Zero = 128;  // the code of weight 0

// The largest |x|: two products of a code and an x fit the 16 bits of vpmaddubsw,
// 2 * 255 * 63 = 32,130.
inline constexpr int kScreenMax = 63;

// Sums of codes, 255 * 63 a column, then fit an int32.
inline constexpr size_t kScreenMaxCols = 65'536;

// One row to its place in a group of 16: `to` is byte 4*r of the group's first tile. REQUIRES cols
// % 4 == 0.
void PackQ8R16Row(const int8_t* weights /*[cols]*/, size_t cols, uint8_t* to);

// One row of the table in kernels/registry.cc.
struct ScreenKernel {
  const char* name;  // screen_q8r16_<isa>
  Isa isa;
  // The arguments are those of kernels/gemm.h, with a token for each vector, but for: weights in
  // Q8R16; x in [-kScreenMax, kScreenMax]; x_sums are kQ8R16Zero times the sums of x; cols is a
  // multiple of 4, at most kScreenMaxCols.
  void (*run)(const GemmArgs& args);
};

}  // namespace tern

#endif  // TERN_KERNELS_SCREEN_H_
