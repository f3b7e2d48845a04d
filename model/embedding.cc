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

// Into the first cache. The hardware does it by itself, but late, and not beyond a page of 4 KiB.
void PrefetchRow(const EmbeddingTable& table, size_t row) {
  if (row >= table.rows) return;
  const uint8_t* bytes = table.Row(row);
  for (size_t i = 0; i < table.row_bytes; i += kCacheLineBytes) __builtin_prefetch(bytes + i, 0, 3);
}

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

// logits[r] = the product of rows[r] and x. Of four rows at a time, so that no sum waits for
// another's addition; the factors of a product may change places.
void DotToken(const float* rows, size_t count, size_t cols, const float* x, const VectorOps& ops,
              float* logits) {
  size_t row = 0;
  for (; row + kDots <= count; row += kDots) {
    std::fill_n(logits + row, kDots, 0.0f);
    ops.add_dots(x, rows + row * cols, cols, cols, logits + row);
  }
  for (; row < count; ++row) logits[row] = ops.dot(rows + row * cols, x, cols);
}

}  // namespace

// Rows are converted once for all tokens: as many as stay in the first cache if there are few.
// While one is, the next is fetched.
void DotRows(const EmbeddingTable& table, IndexRange part, const float* x, size_t tokens,
             const VectorOps& ops, float* scratch, float* logits) {
  const size_t cols = table.cols, whole = tokens / kDots * kDots;
  const size_t rows_at_once = whole > 0 ? kDotRows : kDots;
  for (size_t begin = part.begin; begin < part.end; begin += rows_at_once) {
    const size_t count = std::min(rows_at_once, part.end - begin);
    for (size_t row = 0; row < count; ++row) {
      PrefetchRow(table, begin + row + 1);
      LookUp(table, begin + row, ops, {}, scratch + row * cols);
    }
    for (size_t token = 0; token < whole; token += kDots) {
      DotPanels(scratch, count, cols, x + token * cols, ops, table.rows,
                logits + token * table.rows + begin);
    }
    for (size_t token = whole; token < tokens; ++token) {
      DotToken(scratch, count, cols, x + token * cols, ops, logits + token * table.rows + begin);
    }
  }
}

}  // namespace tern
