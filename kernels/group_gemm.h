// SPDX-License-Identifier: MIT
// Ternary matrix with one scale for each group of columns, times several vectors of 22-bit
// integers:
//
//   out[t][r] = sum over groups g of scales[r][g] * float(sum over c in g of W[r][c] * x[t][c])
//
// The vectors come as three int8 digits to the base 178, x = 178^2 x[0] + 178 x[1] + x[2]: what
// int8 kernels multiply exactly, and as fine as floats for models whose activations were never
// quantised (kernels/vector_ops.h, quantize_row_wide). The inner sums are exact integers; the outer
// one is in ascending order of groups from 0, each sum and each product rounded to float, then
// added: the same bits on every instruction set and for every split of the rows. No fused
// multiply-add.
//
// A kernel allocates nothing, starts no thread, keeps no state and cannot fail.
#ifndef TERN_KERNELS_GROUP_GEMM_H_
#define TERN_KERNELS_GROUP_GEMM_H_

#include <cstddef>
#include <cstdint>

#include "kernels/cpu.h"

namespace tern {

inline constexpr size_t kMaxGroupCols = 256;

// The digits of a wide activation, the first the most significant, and the largest |x|. A digit is
// at most 127 in magnitude, and a group's sum of codes, 256 * 2 * 4,000,000, fits an int32.
inline constexpr int kWideDigits = 3;
inline constexpr int kWideBase = 178;
inline constexpr int kWideMax = 4'000'000;

struct GroupGemmArgs {
  const uint8_t* weights;        // T2R16, ceil(rows / 16) row groups
  const float* scales;           // [ceil(rows / 16), cols / group_cols, 16]
  const int8_t* x[kWideDigits];  // [tokens, x_stride] each, in [-127, 127]
  size_t x_stride;               // at least cols
  const int32_t* x_sums;         // [tokens, cols / group_cols], of x in each group
  float* out;         // [tokens, out_stride]; the first rows rounded up to 16 are overwritten
  size_t out_stride;  // at least rows rounded up to 16
  size_t rows;
  size_t cols;        // a multiple of group_cols
  size_t group_cols;  // a multiple of 16, at most kMaxGroupCols
  size_t tokens;      // 1 or more
};

// One row of the table in kernels/registry.cc.
struct GroupGemmKernel {
  const char* name;  // group_gemm_<packing>_<isa>
  Isa isa;
  void (*run)(const GroupGemmArgs& args);
};

}  // namespace tern

#endif  // TERN_KERNELS_GROUP_GEMM_H_
