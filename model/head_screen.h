// SPDX-License-Identifier: MIT
// An int8 copy of a head, with what is needed to bound each row's exact product from the copy's.
#ifndef TERN_MODEL_HEAD_SCREEN_H_
#define TERN_MODEL_HEAD_SCREEN_H_

#include <cstddef>
#include <cstdint>

#include "base/aligned_buffer.h"
#include "kernels/registry.h"
#include "model/embedding.h"

namespace tern {

// With w a row of the head as floats, q its int8 copy, s = scales[row], and for every vector x and
// every integer vector k, a > 0 within the limits of head_search.cc,
//
//   |logit - s a (q.k)| <= errors[row] |x| + norms[row] |x - a k| + kAbsoluteError,
//
// where `logit` is the float that the full head computes, in the order of kernels/vector_ops.h, the
// left product may be computed in float as head_search.cc does, and | | is the Euclidean norm.
// Derived in docs/kernels.md. Plain arrays: they may be written to disk and mapped.
struct HeadScreen {
  size_t rows = 0;
  size_t cols = 0;
  AlignedBuffer<uint8_t> codes;  // Q8R16 (kernels/screen.h), rows rounded up to 16
  AlignedBuffer<float> scales;   // [rows]
  AlignedBuffer<float> errors;   // [rows]
  AlignedBuffer<float> norms;    // [rows]

  bool empty() const { return rows == 0; }
};

// Covers what is lost where floats are too small for a full mantissa: at most 2^-149 for each of
// some 70,000 operations.
inline constexpr float kAbsoluteError = 0x1p-120f;

// Whether a head of this type and shape can be screened. A ternary one reads 2 bits a weight as it
// is.
bool CanScreen(TensorType type, size_t rows, size_t cols);

// Bytes of a screen.
uint64_t ScreenBytes(size_t rows, size_t cols);

// A screen with room for every row. REQUIRES CanScreen.
HeadScreen MakeScreen(size_t rows, size_t cols);

// What ScreenRow needs for itself.
struct ScreenScratch {
  explicit ScreenScratch(size_t cols) : codes(cols), differences(cols) {}
  AlignedBuffer<int8_t> codes;       // [cols]
  AlignedBuffer<float> differences;  // [cols]
};

// Sets row `row`. The weights must be finite.
void ScreenRow(const float* weights /*[cols]*/, size_t row, const VectorOps& ops,
               ScreenScratch& scratch, HeadScreen& screen);

// An upper bound of the Euclidean norm of x, for the error of ops.dot is known.
double NormBound(const float* x, size_t n, const VectorOps& ops);

// The least float that is not below x.
float FloatAbove(double x);

}  // namespace tern

#endif  // TERN_MODEL_HEAD_SCREEN_H_
