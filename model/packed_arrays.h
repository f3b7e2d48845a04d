// SPDX-License-Identifier: MIT
// Ternary matrices and screens of heads as arrays of bytes, for the cache of packed weights.
#ifndef TERN_MODEL_PACKED_ARRAYS_H_
#define TERN_MODEL_PACKED_ARRAYS_H_

#include <array>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "base/blob_file.h"
#include "base/thread_pool.h"
#include "model/bit_linear.h"
#include "model/head_screen.h"
#include "model/matrix_loader.h"

namespace tern {

// The scale of all rows, the packed weights, the scales of rows, the scales of groups: as BitLinear
// has them, not what is set after loading.
inline constexpr size_t kPackedMatrixArrays = 4;
std::array<Bytes, kPackedMatrixArrays> ArraysOf(const BitLinear& matrix);

// What the arrays of a tensor depend on besides the bytes it is made of.
std::string PackedMatrixForm(absl::string_view tensor, const MatrixOptions& options);

// Reads what ArraysOf gave for a matrix of this shape. DATA_LOSS for arrays of other sizes; errors
// of BlobFile::Read.
absl::StatusOr<BitLinear> ReadPackedMatrix(const BlobFile& file, size_t rows, size_t cols,
                                           const MatrixOptions& options, ThreadPool& pool);

// The same for a screen: its codes, scales, errors and norms.
inline constexpr size_t kScreenArrays = 4;
std::array<Bytes, kScreenArrays> ArraysOf(const HeadScreen& screen);
std::string ScreenForm(absl::string_view tensor);
absl::StatusOr<HeadScreen> ReadScreen(const BlobFile& file, size_t rows, size_t cols,
                                      ThreadPool& pool);

}  // namespace tern

#endif  // TERN_MODEL_PACKED_ARRAYS_H_
