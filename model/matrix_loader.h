// SPDX-License-Identifier: MIT
// Takes one ternary tensor of any type into the layout that the kernels read.
#ifndef TERN_MODEL_MATRIX_LOADER_H_
#define TERN_MODEL_MATRIX_LOADER_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "base/thread_pool.h"
#include "formats/tensor.h"
#include "model/bit_linear.h"

namespace tern {

struct MatrixOptions {
  // What will multiply the matrix: for the packing to put it into. With groups, T2R16.
  MatrixKernels kernels = {};
  // Columns that share a scale in memory, at most as many as in the file; 0: one scale for each
  // row, or for all.
  size_t group_cols = 0;
  // Rows are stored for pairs (2j, 2j + 1) within heads of this many rows, and wanted for pairs
  // (j, j + head_dim / 2). 0: as they are.
  size_t interleaved_head_dim = 0;
};

// Unpacks and packs the rows with the threads of `pool`, each its share. DATA_LOSS, naming the
// tensor, for what UnpackTernary refuses, and for scales that differ within a row if group_cols is
// 0; a scale of nothing but zero trits does not count. REQUIRES columns that are a multiple of 16
// and of group_cols, and a head_dim that divides the rows.
absl::StatusOr<BitLinear> LoadMatrix(const TensorView& tensor, const MatrixOptions& options,
                                     ThreadPool& pool);

}  // namespace tern

#endif  // TERN_MODEL_MATRIX_LOADER_H_
