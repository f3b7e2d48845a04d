// SPDX-License-Identifier: MIT
#include "model/embedding.h"

#include <algorithm>
#include <cstring>

#include "formats/dense.h"

namespace tern {
namespace {

// Rows of x that one pass over the table serves.
constexpr size_t kTokens = 16;

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

void DotRows(const EmbeddingTable& table, IndexRange part, const float* x, size_t tokens,
             const VectorOps& ops, float* scratch, float* logits) {
  const size_t cols = table.cols;
  for (size_t begin = 0; begin < tokens; begin += kTokens) {
    const size_t end = std::min(tokens, begin + kTokens);
    for (size_t row = part.begin; row < part.end; ++row) {
      const uint8_t* stored = table.Row(row);
      const float* floats = reinterpret_cast<const float*>(stored);
      const bool is_half = table.type == TensorType::kF16 || table.type == TensorType::kBF16;
      if (!is_half && table.type != TensorType::kF32) {
        DecodeDense(table.type, stored, cols, scratch);
        floats = scratch;
      }
      const auto dot_half = table.type == TensorType::kF16 ? ops.dot_f16 : ops.dot_bf16;
      for (size_t token = begin; token < end; ++token) {
        const float* y = x + token * cols;
        logits[token * table.rows + row] =
            is_half ? dot_half(Halves(stored), y, cols) : ops.dot(floats, y, cols);
      }
    }
  }
}

}  // namespace tern
