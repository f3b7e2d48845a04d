// SPDX-License-Identifier: MIT
#include "model/head_screen.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "formats/tensor.h"
#include "kernels/screen.h"

namespace tern {
namespace {

constexpr double kUnit = 0x1p-24;  // half an ulp of 1: the relative error of a float operation

// No sum of products of a row and a vector below this norm overflows.
constexpr double kLargestNorm = 0x1p40;

size_t PaddedRows(size_t rows) { return (rows + kQ8R16Rows - 1) / kQ8R16Rows * kQ8R16Rows; }

// The relative error of a sum of products in the order of kernels/vector_ops.h is at most d u /
// (1 - d u) of the sum of magnitudes, with d the most roundings that one term goes through: its
// product's, 7 additions within a lane, 4 of the fold, one a block. Twice d u is more.
double DotError(size_t n) { return 2 * kUnit * static_cast<double>(1 + 7 + 4 + n / 128 + 1); }

double SquareSum(const int8_t* q, size_t n) {
  int32_t sum = 0;  // at most 127^2 * kScreenMaxCols
  for (size_t i = 0; i < n; ++i) sum += q[i] * q[i];
  return static_cast<double>(sum);
}

}  // namespace

bool CanScreen(TensorType type, size_t rows, size_t cols) {
  return !IsTernary(type) && rows > 0 && cols % kQ8R16Cols == 0 && cols <= kScreenMaxCols;
}

uint64_t ScreenBytes(size_t rows, size_t cols) {
  return uint64_t{PaddedRows(rows)} * cols + 3 * sizeof(float) * uint64_t{rows};
}

HeadScreen MakeScreen(size_t rows, size_t cols) {
  const size_t padded = PaddedRows(rows);
  HeadScreen screen = {.rows = rows,
                       .cols = cols,
                       .codes = AlignedBuffer<uint8_t>(padded * cols),
                       .scales = AlignedBuffer<float>(rows),
                       .errors = AlignedBuffer<float>(rows),
                       .norms = AlignedBuffer<float>(rows)};
  if (padded != rows) {
    uint8_t* last_group = screen.codes.data() + (padded - kQ8R16Rows) * cols;
    std::memset(last_group, kQ8R16Zero, kQ8R16Rows * cols);
  }
  return screen;
}

double NormBound(const float* x, size_t n, const VectorOps& ops) {
  // A square may lose 2^-149 where it is tiny.
  const double squares = double{ops.dot(x, x, n)} + static_cast<double>(n) * 0x1p-149;
  return std::sqrt(squares) * (1 + DotError(n));
}

float FloatAbove(double x) {
  const auto rounded = static_cast<float>(x);
  return double{rounded} < x ? std::nextafterf(rounded, std::numeric_limits<float>::infinity())
                             : rounded;
}

void ScreenRow(const float* weights, size_t row, const VectorOps& ops, ScreenScratch& scratch,
               HeadScreen& screen) {
  const size_t cols = screen.cols;
  int8_t* q = scratch.codes.data();
  float* differences = scratch.differences.data();
  int32_t ignored_sum;
  const float scale = 1 / ops.quantize_row(weights, q, &ignored_sum, cols);
  for (size_t col = 0; col < cols; ++col) {
    differences[col] = weights[col] - scale * static_cast<float>(q[col]);
  }
  const size_t group = row / kQ8R16Rows * kQ8R16Rows;
  PackQ8R16Row(q, cols, screen.codes.data() + group * cols + row % kQ8R16Rows * kQ8R16Cols);

  const double weight_norm = NormBound(weights, cols, ops);
  if (!(weight_norm < kLargestNorm)) {  // products may overflow: nothing is known
    screen.scales[row] = screen.norms[row] = 0;
    screen.errors[row] = std::numeric_limits<float>::infinity();
    return;
  }
  // A difference has two roundings, of the product and of itself.
  const double copy_norm = scale * std::sqrt(SquareSum(q, cols));
  const double difference =
      NormBound(differences, cols, ops) * (1 + 2 * kUnit) + 2 * kUnit * copy_norm;
  const double exact_sum = DotError(cols) * weight_norm;
  // The product s a (q.k) and the bounds computed from it, in float: head_search.cc.
  const double screened_sum = 16 * kUnit * copy_norm;
  screen.scales[row] = scale;
  screen.errors[row] = FloatAbove((difference + exact_sum + screened_sum) * (1 + 16 * kUnit));
  screen.norms[row] = FloatAbove((copy_norm + screened_sum) * (1 + 16 * kUnit));
}

}  // namespace tern
