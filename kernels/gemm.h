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

namespace tern {

struct GemmArgs {
  const uint8_t* weights;  // T2R16, ceil(rows / 16) row groups
  const int8_t* x;         // [tokens, cols], each in [-127, 127]
  const int32_t* x_sums;   // [tokens], the sum of each row of x
  int32_t* sums;           // [tokens, sums_stride]; the first rows rounded up to 16 are overwritten
  size_t sums_stride;      // at least rows rounded up to 16
  size_t rows;
  size_t cols;  // a multiple of 16, at most 500,000
  size_t tokens;
};

// One row of the table in kernels/registry.cc.
struct GemmKernel {
  const char* name;  // gemm_<packing>_<isa>
  Isa isa;
  void (*run)(const GemmArgs& args);
};

}  // namespace tern

#endif  // TERN_KERNELS_GEMM_H_
