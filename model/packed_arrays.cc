// SPDX-License-Identifier: MIT
#include "model/packed_arrays.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kernels/t2r16.h"

namespace tern {
namespace {

// Reads an array of `want` items, or, if it may be absent, of none.
template <typename T>
absl::Status ReadArray(const BlobFile& file, size_t array, size_t want, bool may_be_absent,
                       ThreadPool& pool, AlignedBuffer<T>& to) {
  const uint64_t bytes = file.bytes(array);
  if (may_be_absent && bytes == 0) return absl::OkStatus();
  if (bytes != want * sizeof(T)) {
    return absl::DataLossError(
        absl::StrCat("array ", array, ": found ", bytes, " bytes, want ", want * sizeof(T)));
  }
  to = AlignedBuffer<T>(want);
  return file.Read(array, pool, reinterpret_cast<uint8_t*>(to.data()));
}

}  // namespace

std::array<Bytes, kPackedMatrixArrays> ArraysOf(const BitLinear& matrix) {
  return {Bytes(reinterpret_cast<const uint8_t*>(&matrix.scale), sizeof(matrix.scale)),
          BytesOf(matrix.packed.span()), BytesOf(matrix.row_scales.span()),
          BytesOf(matrix.group_scales.span())};
}

std::string PackedMatrixForm(absl::string_view tensor, const MatrixOptions& options) {
  return absl::StrCat(tensor, " ", InfoOf(options.kernels.packing()).name, " groups of ",
                      options.group_cols, " interleaved heads of ", options.interleaved_head_dim);
}

absl::StatusOr<BitLinear> ReadPackedMatrix(const BlobFile& file, size_t rows, size_t cols,
                                           const MatrixOptions& options, ThreadPool& pool) {
  BitLinear matrix;
  matrix.rows = rows;
  matrix.cols = cols;
  matrix.kernels = options.kernels;
  matrix.group_cols = options.group_cols;
  const size_t groups = options.group_cols == 0 ? 0 : cols / options.group_cols;
  const size_t group_scales = RoundUp(rows, kT2R16Rows) * groups;
  AlignedBuffer<float> scale;
  TERN_RETURN_IF_ERROR(ReadArray(file, 0, 1, false, pool, scale));
  TERN_RETURN_IF_ERROR(ReadArray(file, 1, PackedBytes(options.kernels.packing(), rows, cols), false,
                                 pool, matrix.packed));
  TERN_RETURN_IF_ERROR(ReadArray(file, 2, rows, true, pool, matrix.row_scales));
  TERN_RETURN_IF_ERROR(ReadArray(file, 3, group_scales, groups == 0, pool, matrix.group_scales));
  matrix.scale = scale[0];
  return matrix;
}

std::array<Bytes, kScreenArrays> ArraysOf(const HeadScreen& screen) {
  return {BytesOf(screen.codes.span()), BytesOf(screen.scales.span()),
          BytesOf(screen.errors.span()), BytesOf(screen.norms.span())};
}

std::string ScreenForm(absl::string_view tensor) { return absl::StrCat(tensor, " screen"); }

absl::StatusOr<HeadScreen> ReadScreen(const BlobFile& file, size_t rows, size_t cols,
                                      ThreadPool& pool) {
  HeadScreen screen;
  screen.rows = rows;
  screen.cols = cols;
  const size_t codes = ScreenBytes(rows, cols) - 3 * sizeof(float) * rows;
  TERN_RETURN_IF_ERROR(ReadArray(file, 0, codes, false, pool, screen.codes));
  TERN_RETURN_IF_ERROR(ReadArray(file, 1, rows, false, pool, screen.scales));
  TERN_RETURN_IF_ERROR(ReadArray(file, 2, rows, false, pool, screen.errors));
  TERN_RETURN_IF_ERROR(ReadArray(file, 3, rows, false, pool, screen.norms));
  return screen;
}

}  // namespace tern
