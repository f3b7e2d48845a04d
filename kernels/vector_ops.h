// SPDX-License-Identifier: MIT
// Float vector operations with one documented order of every sum, the same bits on every
// instruction set.
//
// The order of a sum over n columns: blocks of 128 columns; within a block, lane l of 16 adds the
// terms of columns l, 16+l, 32+l, ... in ascending order, starting from the first; the lanes fold
// 8-4-2-1 (lane l += lane l+8, then l+4, l+2, l+1); block totals are added in ascending order,
// starting from 0. Columns past n in the last block count as +0. No fused multiply-add, no libm.
//
// A NaN result of arithmetic may differ in its payload; those of max and the conversions do not.
#ifndef TERN_KERNELS_VECTOR_OPS_H_
#define TERN_KERNELS_VECTOR_OPS_H_

#include <cstddef>
#include <cstdint>

#include "kernels/cpu.h"

namespace tern {

// Vectors that add_dots multiplies at once, and columns at multiples of which it may be
// interrupted.
inline constexpr size_t kDots = 4;
inline constexpr size_t kDotBlockCols = 128;

// One row of the table in kernels/registry.cc. Pointers need no alignment; `f16` is IEEE binary16.
struct VectorOps {
  const char* name;  // vector_<isa>
  Isa isa;

  // Sum of x[i] * y[i], in the order above.
  float (*dot)(const float* x, const float* y, size_t n);
  // The same with the first vector in f16, converted exactly.
  float (*dot_f16)(const uint16_t* x, const float* y, size_t n);
  // The same with the first vector in bf16, the upper half of a float.
  float (*dot_bf16)(const uint16_t* x, const float* y, size_t n);
  // totals[i] += the block totals of x times y + i * y_stride, in the order above, for i < kDots.
  // With totals of 0 before, and over consecutive pieces of whole blocks, that is dot.
  void (*add_dots)(const float* x, const float* y, size_t y_stride, size_t n, float* totals);
  // Sum of x[i], in the order above.
  float (*sum)(const float* x, size_t n);
  // max of x[i]; n > 0; NaN is ignored unless all are. A zero is +0.
  float (*max)(const float* x, size_t n);
  // y[i] += weight * x[i].
  void (*add_scaled)(float weight, const float* x, float* y, size_t n);
  void (*add_scaled_f16)(float weight, const uint16_t* x, float* y, size_t n);
  // x[i] = exp(x[i] - shift), by a polynomial of our own (relative error below 2e-7); 0 below -87,
  // infinity above 88.
  void (*exp_shifted)(float* x, float shift, size_t n);
  // To f16, round to nearest even; magnitudes from 65520 on become infinity. NaNs become quiet and
  // keep their sign and the payload that fits.
  void (*to_f16)(const float* x, uint16_t* y, size_t n);
  // Exact.
  void (*from_f16)(const uint16_t* x, float* y, size_t n);
  void (*from_bf16)(const uint16_t* x, float* y, size_t n);
  // y[i] = (x[i] * scale) * weight[i], with scale = 1 / sqrt(dot(x, x) / n + eps): RMSNorm
  // (arXiv:1910.07467). y may be x.
  void (*rms_norm)(const float* x, const float* weight, float eps, float* y, size_t n);
  // Absmax int8 quantisation of a row (arXiv:2402.17764): a = max(max|x|, 1e-5), s = 127 / a,
  // q = clamp(round_half_even(x * s), -128, 127). Returns s; *sum is the sum of q. A NaN becomes 0;
  // an infinity makes s and all q 0. |q| is at most 127.
  float (*quantize_row)(const float* x, int8_t* q, int32_t* sum, size_t n);
  // The same to 22 bits in three digits (kernels/group_gemm.h): s = kWideMax / a,
  // q = round_half_even(x * s) = 178^2 digits[0] + 178 digits[1] + digits[2], each the nearest
  // integer to what is left divided by its weight.
  float (*quantize_row_wide)(const float* x, int8_t* const digits[3], size_t n);
  // gate[i] = activation(gate[i]) * up[i]:
  // relu(x)^2;
  void (*squared_relu_times)(float* gate, const float* up, size_t n);
  // SiLU, x / (1 + e^-x);
  void (*silu_times)(float* gate, const float* up, size_t n);
  // GELU's tanh form (arXiv:1606.08415), x / (1 + e^-2z) with z = (x + 0.044715 x^3) sqrt(2 / pi),
  // which equals x / 2 (1 + tanh z).
  void (*gelu_times)(float* gate, const float* up, size_t n);
};

}  // namespace tern

#endif  // TERN_KERNELS_VECTOR_OPS_H_
