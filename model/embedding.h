// SPDX-License-Identifier: MIT
// One row of numbers for each token: the embedding, or the head that makes logits. Kept as the file
// has it, or, if ternary, as a matrix.
#ifndef TERN_MODEL_EMBEDDING_H_
#define TERN_MODEL_EMBEDDING_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/aligned_buffer.h"
#include "formats/tensor.h"
#include "kernels/registry.h"
#include "model/bit_linear.h"

namespace tern {

struct EmbeddingTable {
  TensorType type = TensorType::kF16;
  size_t rows = 0;               // tokens
  size_t cols = 0;               // dim
  size_t row_bytes = 0;          // of `dense`
  AlignedBuffer<uint8_t> dense;  // [rows, row_bytes], unless the type is ternary or
  // the same where they lie in a model's file: of tables of which few rows are read a token.
  std::span<const uint8_t> mapped;
  std::shared_ptr<const void> owner;  // of `mapped`
  BitLinear ternary;                  // with groups; unless the type is dense

  bool empty() const { return rows == 0; }
  // Of the weights, as they are kept.
  size_t bytes() const {
    return dense.size() + mapped.size() + ternary.packed.size() +
           ternary.group_scales.size() * sizeof(float);
  }
  const uint8_t* Row(size_t row) const {
    return (mapped.empty() ? dense.data() : mapped.data()) + row * row_bytes;
  }
};

// out = row `row`, exact but for types that round when they are decoded (formats/dense.h).
void LookUp(const EmbeddingTable& table, size_t row, const VectorOps& ops,
            std::span<int8_t> trits /*[cols], scratch*/, float* out /*[cols]*/);

// Rows that DotRows multiplies by many tokens at once.
inline constexpr size_t kDotRows = 16;

// The dot product of row `row` of a dense table and x, in the order of kernels/vector_ops.h.
float DotRow(const EmbeddingTable& table, size_t row, const float* x /*[cols]*/,
             const VectorOps& ops, float* scratch /*[cols]*/);

// logits[t][r] = the dot product of row r and x[t], in the order of kernels/vector_ops.h, for the
// rows of a dense table in `part`.
void DotRows(const EmbeddingTable& table, IndexRange part, const float* x /*[tokens, cols]*/,
             size_t tokens, const VectorOps& ops, float* scratch /*[kDotRows, cols]*/,
             float* logits /*[tokens, rows]*/);

}  // namespace tern

#endif  // TERN_MODEL_EMBEDDING_H_
