// SPDX-License-Identifier: MIT
// Ternary matrix times several int8 vectors: sums[t][r] = sum over c of W[r][c] * x[t][c].
//
// Equal to kernels/gemv.h for each token, to the bit; faster because the weights are unpacked once
// for many tokens. Same contract: no allocation, no thread, no state, no failure.
#ifndef TERN_KERNELS_GEMM_H_
#define TERN_KERNELS_GEMM_H_

#include <cstddef>
#include <cstdint>

#include "kernels/cpu.h"
#include "kernels/packing.h"

namespace tern {

struct GemmArgs {
  const uint8_t* weights;  // in the kernel's packing
  const int8_t* x;         // [tokens, x_stride], each in [-127, 127], as in GemvArgs
  size_t x_stride;         // at least PaddedCols
  const int32_t* x_sums;   // [tokens], the sum of the first cols of each row of x
  int32_t* sums;           // [tokens, sums_stride]; of each, the rows are overwritten
  size_t sums_stride;      // at least rows rounded up to whole tiles
  size_t rows;
  size_t cols;  // a multiple of 16, at most 500,000
  size_t tokens;
};

// One row of the table in kernels/registry.cc.
struct GemmKernel {
  const char* name;  // gemm_<packing>_<isa>
  Isa isa;
  Packing packing;
  void (*run)(const GemmArgs& args);
};

}  // namespace tern

#endif  // TERN_KERNELS_GEMM_H_
