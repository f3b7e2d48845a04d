// SPDX-License-Identifier: MIT
#include "model/bit_linear.h"

#include <algorithm>

namespace tern {
namespace {

// Raw sums of tokens [token, token + tokens) and rows [row, row + rows): sums is [tokens,
// kRowTile].
void SumTile(const BitLinear& matrix, size_t row, size_t rows, const QuantizedRows& x, size_t token,
             size_t tokens, const Kernels& kernels, int32_t* sums) {
  const uint8_t* weights = matrix.packed.data() + T2R16Bytes(row, matrix.cols);
  const int8_t* codes = x.codes + token * matrix.cols;
  const int32_t* code_sums = x.sums + token;
  if (tokens == 1) {
    kernels.gemv.run({weights, codes, *code_sums, sums, rows, matrix.cols});
  } else {
    kernels.gemm.run({weights, codes, code_sums, sums, kRowTile, rows, matrix.cols, tokens});
  }
}

// One token's sums become floats.
void Scale(const int32_t* sums, size_t rows, float scale, Output output, float* out) {
  if (output == Output::kStore) {
    for (size_t r = 0; r < rows; ++r) out[r] = static_cast<float>(sums[r]) * scale;
  } else {
    for (size_t r = 0; r < rows; ++r) out[r] += static_cast<float>(sums[r]) * scale;
  }
}

}  // namespace

void Multiply(const BitLinear& matrix, IndexRange part, const QuantizedRows& x, size_t tokens,
              const Kernels& kernels, Output output, int32_t* sums, float* out) {
  for (size_t row = part.begin; row < part.end; row += kRowTile) {
    const size_t rows = std::min(kRowTile, part.end - row);
    for (size_t token = 0; token < tokens; token += kTokenTile) {
      const size_t tile_tokens = std::min(kTokenTile, tokens - token);
      SumTile(matrix, row, rows, x, token, tile_tokens, kernels, sums);
      for (size_t t = 0; t < tile_tokens; ++t) {
        Scale(sums + t * kRowTile, rows, matrix.scale / x.factors[token + t], output,
              out + (token + t) * matrix.rows + row);
      }
    }
  }
}

}  // namespace tern
