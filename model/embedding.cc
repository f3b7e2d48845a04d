// SPDX-License-Identifier: MIT
#include "model/embedding.h"

#include <algorithm>
#include <cstring>

#include "formats/dense.h"

namespace tern {
namespace {

const uint16_t* Halves(const uint8_t* row) { return reinterpret_cast<const uint16_t*>(row); }

}  // namespace

void LookUp(const EmbeddingTable& table, size_t row, const VectorOps& ops, std::span<int8_t> trits,
            float* out) {
  switch (table.type) {
    case TensorType::kF32:
      std::memcpy(out, table.Row(row), table.row_bytes);
      return;
    case TensorType::kF16:
      ops.from_f16(Halves(table.Row(row)), out, table.cols);
      return;
    case TensorType::kBF16:
      ops.from_bf16(Halves(table.Row(row)), out, table.cols);
      return;
    default:
      break;
  }
  if (!IsTernary(table.type)) {
    DecodeDense(table.type, table.Row(row), table.cols, out);
    return;
  }
  DecodeRow(table.ternary, row, trits, out);
}

float DotRow(const EmbeddingTable& table, size_t row, const float* x, const VectorOps& ops,
             float* scratch) {
  const uint8_t* stored = table.Row(row);
  switch (table.type) {
    case TensorType::kF32:
      return ops.dot(reinterpret_cast<const float*>(stored), x, table.cols);
    case TensorType::kF16:
      return ops.dot_f16(Halves(stored), x, table.cols);
    case TensorType::kBF16:
      return ops.dot_bf16(Halves(stored), x, table.cols);
    default:
      DecodeDense(table.type, stored, table.cols, scratch);
      return ops.dot(scratch, x, table.cols);
  }
}

namespace {

// Columns of kDots tokens that stay in the first cache while rows pass by: 16 KB.
constexpr size_t kPanelCols = 8 * kDotBlockCols;

// logits[t * stride + r] = the product of rows[r] and x[t], for kDots tokens.
void DotPanels(const float* rows, size_t count, size_t cols, const float* x, const VectorOps& ops,
               size_t stride, float* logits) {
  float totals[kDotRows][kDots] = {};
  for (size_t col = 0; col < cols; col += kPanelCols) {
    const size_t width = std::min(kPanelCols, cols - col);
    for (size_t row = 0; row < count; ++row) {
      ops.add_dots(rows + row * cols + col, x + col, cols, width, totals[row]);
    }
  }
  for (size_t t = 0; t < kDots; ++t) {
    for (size_t row = 0; row < count; ++row) logits[t * stride + row] = totals[row][t];
  }
}

}  // namespace

// Rows are converted once for all tokens.
void DotRows(const EmbeddingTable& table, IndexRange part, const float* x, size_t tokens,
             const VectorOps& ops, float* scratch, float* logits) {
  const size_t cols = table.cols, whole = tokens / kDots * kDots;
  for (size_t begin = part.begin; begin < part.end; begin += kDotRows) {
    const size_t count = std::min(kDotRows, part.end - begin);
    for (size_t row = 0; row < count && whole > 0; ++row) {
      LookUp(table, begin + row, ops, {}, scratch + row * cols);
    }
    for (size_t token = 0; token < whole; token += kDots) {
      DotPanels(scratch, count, cols, x + token * cols, ops, table.rows,
                logits + token * table.rows + begin);
    }
    for (size_t token = whole; token < tokens; ++token) {
      for (size_t row = begin; row < begin + count; ++row) {
        logits[token * table.rows + row] = DotRow(table, row, x + token * cols, ops, scratch);
      }
    }
  }
}

}  // namespace tern
