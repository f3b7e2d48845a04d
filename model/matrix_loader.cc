// SPDX-License-Identifier: MIT
#include "model/matrix_loader.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/about.h"
#include "base/status_macros.h"
#include "formats/ternary.h"
#include "kernels/packing.h"
#include "kernels/t2r16.h"

namespace tern {
namespace {

// One thread's part of a load.
class RowsLoader {
 public:
  RowsLoader(const TensorView& tensor, const MatrixOptions& options, BitLinear& matrix)
      : tensor_(tensor),
        options_(options),
        matrix_(matrix),
        stored_cols_(ScaleCols(tensor.info.type, matrix.cols)),
        trits_(kRowSplit * matrix.cols),
        scales_(kRowSplit * (matrix.cols / stored_cols_)) {}

  absl::Status Load(IndexRange rows) {
    for (size_t row = rows.begin; row < rows.end; row += kRowSplit) {
      TERN_RETURN_IF_ERROR(LoadRows(row, std::min(row + kRowSplit, rows.end)));
    }
    return absl::OkStatus();
  }

 private:
  size_t stored_groups() const { return matrix_.cols / stored_cols_; }

  // Where the wanted row lies in the file.
  size_t StoredRow(size_t row) const {
    const size_t head_dim = options_.interleaved_head_dim;
    if (head_dim == 0) return row;
    const size_t j = row % head_dim, half = head_dim / 2;
    return row - j + (j < half ? 2 * j : 2 * (j - half) + 1);
  }

  absl::Status LoadRows(size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) {
      const size_t stored = StoredRow(row), i = row - begin;
      const TernaryRows to = {trits_.data() + i * matrix_.cols,
                              scales_.data() + i * stored_groups()};
      TERN_RETURN_IF_ERROR(UnpackTernary(tensor_, stored, stored + 1, to));
      if (options_.group_cols > 0) {
        SpreadScales(row, to.scales);
        continue;
      }
      TERN_ASSIGN_OR_RETURN(matrix_.row_scales[row], RowScale(row, to));
    }
    PackRows(matrix_.kernels.packing(), trits_.data(), matrix_.cols, begin, end,
             matrix_.packed.data());
    return absl::OkStatus();
  }

  // The file's scales of a row, each for as many groups as share it.
  void SpreadScales(size_t row, const float* scales) {
    const size_t groups = matrix_.cols / options_.group_cols;
    float* to = matrix_.group_scales.data() + row / kT2R16Rows * groups * kT2R16Rows;
    for (size_t group = 0; group < groups; ++group) {
      const float scale = scales[group * options_.group_cols / stored_cols_];
      to[group * kT2R16Rows + row % kT2R16Rows] = scale;
    }
  }

  // The one scale of a row.
  absl::StatusOr<float> RowScale(size_t row, const TernaryRows& from) const {
    std::optional<float> found;
    for (size_t group = 0; group < stored_groups(); ++group) {
      const int8_t* trits = from.trits + group * stored_cols_;
      const float scale = from.scales[group];
      if (found == scale || std::all_of(trits, trits + stored_cols_, [](int8_t t) { return !t; })) {
        continue;
      }
      if (found) {
        return absl::DataLossError(absl::StrCat("row ", row, ": found scales ", *found, " and ",
                                                scale, ", want one for the whole row"));
      }
      found = scale;
    }
    return found.value_or(0.0f);
  }

  const TensorView& tensor_;
  const MatrixOptions& options_;
  BitLinear& matrix_;
  const size_t stored_cols_;
  std::vector<int8_t> trits_;  // [kRowSplit, cols]
  std::vector<float> scales_;  // [kRowSplit, stored_groups]
};

template <typename Body>
absl::Status ForRows(ThreadPool& pool, size_t rows, Body body) {
  std::vector<absl::Status> statuses(pool.size());
  pool.Run([&](size_t thread) {
    const IndexRange share = SplitRange(rows, kRowSplit, thread, pool.size());
    if (share.size() > 0) statuses[thread] = body(share);
  });
  for (const absl::Status& status : statuses) TERN_RETURN_IF_ERROR(status);
  return absl::OkStatus();
}

// Most files have one scale for all rows: then one number is enough. A row of zeros goes with any.
void MergeRowScales(BitLinear& matrix) {
  std::optional<float> common;
  for (const float scale : matrix.row_scales) {
    if (scale == 0 || common == scale) continue;
    if (common) return;
    common = scale;
  }
  matrix.scale = common.value_or(0.0f);
  matrix.row_scales = AlignedBuffer<float>();
}

absl::Status Load(const TensorView& tensor, const MatrixOptions& options, ThreadPool& pool,
                  BitLinear& matrix) {
  matrix.group_cols = options.group_cols;
  if (options.group_cols > 0) {
    const size_t row_groups = (matrix.rows + kT2R16Rows - 1) / kT2R16Rows;
    matrix.group_scales =
        AlignedBuffer<float>::Zeroed(row_groups * kT2R16Rows * (matrix.cols / options.group_cols));
  } else {
    matrix.row_scales = AlignedBuffer<float>(matrix.rows);
  }
  TERN_RETURN_IF_ERROR(ForRows(pool, matrix.rows, [&](IndexRange share) {
    return RowsLoader(tensor, options, matrix).Load(share);
  }));
  if (options.group_cols == 0) MergeRowScales(matrix);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<BitLinear> LoadMatrix(const TensorView& tensor, const MatrixOptions& options,
                                     ThreadPool& pool) {
  BitLinear matrix;
  matrix.rows = tensor.info.rows();
  matrix.cols = tensor.info.cols();
  matrix.kernels = options.kernels;
  matrix.packed =
      AlignedBuffer<uint8_t>(PackedBytes(matrix.kernels.packing(), matrix.rows, matrix.cols));
  TERN_RETURN_IF_ERROR(
      About(absl::StrCat("tensor ", tensor.info.name), Load(tensor, options, pool, matrix)));
  return matrix;
}

}  // namespace tern
