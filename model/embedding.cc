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

// A row is converted once for all tokens of a pass.
void DotRows(const EmbeddingTable& table, IndexRange part, const float* x, size_t tokens,
             const VectorOps& ops, float* scratch, float* logits) {
  const size_t cols = table.cols;
  for (size_t begin = 0; begin < tokens; begin += kTokensPerPass) {
    const size_t end = std::min(tokens, begin + kTokensPerPass);
    for (size_t row = part.begin; row < part.end; ++row) {
      if (end - begin == 1) {
        logits[begin * table.rows + row] = DotRow(table, row, x + begin * cols, ops, scratch);
        continue;
      }
      LookUp(table, row, ops, {}, scratch);
      for (size_t token = begin; token < end; ++token) {
        logits[token * table.rows + row] = ops.dot(scratch, x + token * cols, cols);
      }
    }
  }
}

}  // namespace tern
