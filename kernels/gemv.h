// SPDX-License-Identifier: MIT
// Ternary matrix times int8 vector: sums[r] = sum over c of W[r][c] * x[c].
//
// Sums are exact int32, so every kernel of this file returns the same bits, and so does any split
// of the rows over threads or workers. Scales are the caller's business.
//
// A kernel allocates nothing, starts no thread, keeps no state and cannot fail.
#ifndef TERN_KERNELS_GEMV_H_
#define TERN_KERNELS_GEMV_H_

#include <cstddef>
#include <cstdint>

#include "kernels/cpu.h"
#include "kernels/packing.h"

namespace tern {

struct GemvArgs {
  const uint8_t* weights;  // in the kernel's packing
  const int8_t* x;         // [PaddedCols], each in [-127, 127]; what pads it does not matter
  int32_t x_sum;           // sum of x[0..cols-1]
  int32_t* sums;           // [rows rounded up to whole tiles], overwritten; padding rows give 0
  size_t rows;
  size_t cols;  // a multiple of 16, at most 500,000
};

// One row of the table in kernels/registry.cc.
struct GemvKernel {
  const char* name;  // gemv_<packing>_<isa>
  Isa isa;
  Packing packing;
  void (*run)(const GemvArgs& args);
};

}  // namespace tern

#endif  // TERN_KERNELS_GEMV_H_
