// SPDX-License-Identifier: MIT
// Ternary weights in the layouts that files have them in: to trits and scales, and back. Byte
// layouts: docs/formats.md.
#ifndef TERN_FORMATS_TERNARY_H_
#define TERN_FORMATS_TERNARY_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "formats/tensor.h"

namespace tern {

// How many columns of a row share one scale: 64 (Q2_0), 128 (PQ2_0, PTQ1_0), 256 (TQ1_0, TQ2_0), or
// all `cols` (IQ1_BN, IQ2_BN, and I2_S, where all rows share it too). REQUIRES a ternary type.
uint64_t ScaleCols(TensorType type, uint64_t cols);

// Rows of ternary weights: W[r][c] = trits[r][c] * scales[r][c / scale_cols]. Borrowed memory.
struct TernaryRows {
  int8_t* trits = nullptr;  // [rows, cols], each -1, 0 or 1
  float* scales = nullptr;  // [rows, cols / ScaleCols], each finite
};

// Unpacks rows [row_begin, row_end) of a tensor of a ternary type. DATA_LOSS, naming the byte, for
// a code that stands for no trit (Q2_0 and PQ2_0 can hold +2: the message says that the tensor is
// not ternary) or a scale that is not finite. REQUIRES data of TensorBytes and rows within it.
absl::Status UnpackTernary(const TensorView& tensor, uint64_t row_begin, uint64_t row_end,
                           TernaryRows out);

// Packs `rows` rows, from row 0 on, into `bytes` of TensorBytes(type, {cols, rows}). Scales are
// rounded to f16 where the type has them so (nearest even). INVALID_ARGUMENT if I2_S is wanted and
// the scales are not all the same.
absl::Status PackTernary(TensorType type, uint64_t rows, uint64_t cols, const int8_t* trits,
                         const float* scales /*[rows, cols / ScaleCols]*/,
                         std::span<uint8_t> bytes);

// The dialects of I2_S that other programs have written under the same type number, with no mark in
// the file (docs/formats.md, Dialects).
enum class I2SDialect {
  kCanonical,  // 128 weights in 32 bytes
  kArm64,      // 64 weights in 16 bytes: ARM builds of bitnet.cpp from November 2025 on
  kFourRows,   // four rows in a byte: x86 builds of bitnet.cpp without ACT_PARALLEL
};

// The same as UnpackTernary, for an I2_S tensor in a dialect.
absl::Status UnpackI2SDialect(I2SDialect dialect, const TensorView& tensor, uint64_t row_begin,
                              uint64_t row_end, TernaryRows out);

}  // namespace tern

#endif  // TERN_FORMATS_TERNARY_H_
