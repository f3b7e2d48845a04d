// SPDX-License-Identifier: MIT
// Ternary matrix with one scale for each group of columns, times several vectors of 16-bit
// integers:
//
//   out[t][r] = sum over groups g of scales[r][g] * float(sum over c in g of W[r][c] * x[t][c])
//
// The vectors come as two int8 halves, x = 254 * high + low: what int8 kernels multiply exactly,
// and fine enough for models whose activations were never quantised (kernels/vector_ops.h,
// quantize_row_wide). The inner sums are exact integers; the outer one is in ascending order of
// groups from 0, each product rounded to float, then added: the same bits on every instruction set
// and for every split of the rows. No fused multiply-add.
//
// A kernel allocates nothing, starts no thread, keeps no state and cannot fail.
#ifndef TERN_KERNELS_GROUP_GEMM_H_
#define TERN_KERNELS_GROUP_GEMM_H_

#include <cstddef>
#include <cstdint>

#include "kernels/cpu.h"

namespace tern {

// The factor between the halves of a wide activation, and the largest |x|: 127 * 254 + 127.
inline constexpr int kWideBase = 254;
inline constexpr int kWideMax = 127 * kWideBase + 127;

struct GroupGemmArgs {
  const uint8_t* weights;  // T2R16, ceil(rows / 16) row groups
  const float* scales;     // [ceil(rows / 16), cols / group_cols, 16]
  const int8_t* x_high;    // [tokens, cols], each in [-127, 127]
  const int8_t* x_low;     // likewise
  const int32_t* x_sums;   // [tokens, cols / group_cols], of x = 254 * high + low in each group
  float* out;              // [tokens, out_stride]; the first rows rounded up to 16 are overwritten
  size_t out_stride;       // at least rows rounded up to 16
  size_t rows;
  size_t cols;        // a multiple of group_cols
  size_t group_cols;  // a multiple of 16, at most 256: a group's sum is below 2^24
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
