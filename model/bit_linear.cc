// SPDX-License-Identifier: MIT
#include "model/bit_linear.h"

#include <algorithm>

#include "kernels/t2r16.h"

namespace tern {
namespace {

// A tile of the product: tokens [token, token + tokens) and rows [row, row + rows).
struct Tile {
  size_t row = 0;
  size_t rows = 0;
  size_t token = 0;
  size_t tokens = 0;
};

// Raw sums of a tile: sums is [tokens, kRowTile].
void SumTile(const BitLinear& matrix, const Tile& tile, const QuantizedRows& x, int32_t* sums) {
  const MatrixKernels& kernels = matrix.kernels;
  const uint8_t* weights =
      matrix.packed.data() + PackedBytes(kernels.packing(), tile.row, matrix.cols);
  const int8_t* codes = x.codes[0] + tile.token * x.stride;
  const int32_t* code_sums = x.sums + tile.token;
  if (tile.tokens == 1) {
    kernels.one.run({weights, codes, *code_sums, sums, tile.rows, matrix.cols});
    return;
  }
  const GemmKernel& gemm = tile.tokens <= kFewTokens ? kernels.few : kernels.many;
  gemm.run({.weights = weights,
            .x = codes,
            .x_stride = x.stride,
            .x_sums = code_sums,
            .sums = sums,
            .sums_stride = kRowTile,
            .rows = tile.rows,
            .cols = matrix.cols,
            .tokens = tile.tokens});
}

// One token's sums become floats.
void Scale(const int32_t* sums, size_t rows, float scale, Output output, float* out) {
  if (output == Output::kStore) {
    for (size_t r = 0; r < rows; ++r) out[r] = static_cast<float>(sums[r]) * scale;
  } else {
    for (size_t r = 0; r < rows; ++r) out[r] += static_cast<float>(sums[r]) * scale;
  }
}

void ScaleByRow(const int32_t* sums, size_t rows, const float* scales, float factor, Output output,
                float* out) {
  for (size_t r = 0; r < rows; ++r) {
    const float product = static_cast<float>(sums[r]) * (scales[r] / factor);
    out[r] = output == Output::kStore ? product : out[r] + product;
  }
}

// Where a tile's products go.
struct TileOutput {
  float* first;   // of its first token and row
  size_t stride;  // from one token to the next
  Output output;
};

void MultiplyRowScaled(const BitLinear& matrix, const Tile& tile, const QuantizedRows& x,
                       const MultiplyScratch& scratch, const TileOutput& out) {
  SumTile(matrix, tile, x, scratch.sums);
  for (size_t t = 0; t < tile.tokens; ++t) {
    const int32_t* sums = scratch.sums + t * kRowTile;
    const float factor = x.factors[tile.token + t];
    float* to = out.first + t * out.stride;
    if (matrix.row_scales.empty()) {
      Scale(sums, tile.rows, matrix.scale / factor, out.output, to);
    } else {
      ScaleByRow(sums, tile.rows, matrix.row_scales.data() + tile.row, factor, out.output, to);
    }
  }
}

void MultiplyGroupScaled(const BitLinear& matrix, const Tile& tile, const QuantizedRows& x,
                         const Kernels& kernels, const MultiplyScratch& scratch,
                         const TileOutput& out) {
  const size_t groups = matrix.cols / matrix.group_cols;
  const size_t offset = tile.token * x.stride;
  const size_t row_offset = PackedBytes(Packing::kT2R16, tile.row, matrix.cols);
  kernels.group_gemm.run({.weights = matrix.packed.data() + row_offset,
                          .scales = matrix.group_scales.data() + tile.row * groups,
                          .x = {x.codes[0] + offset, x.codes[1] + offset, x.codes[2] + offset},
                          .x_stride = x.stride,
                          .x_sums = x.sums + tile.token * groups,
                          .out = scratch.products,
                          .out_stride = kRowTile,
                          .rows = tile.rows,
                          .cols = matrix.cols,
                          .group_cols = matrix.group_cols,
                          .tokens = tile.tokens});
  for (size_t t = 0; t < tile.tokens; ++t) {
    const float* products = scratch.products + t * kRowTile;
    const float factor = x.factors[tile.token + t];
    float* to = out.first + t * out.stride;
    for (size_t r = 0; r < tile.rows; ++r) {
      const float product = products[r] / factor;
      to[r] = out.output == Output::kStore ? product : to[r] + product;
    }
  }
}

void MultiplyTile(const BitLinear& matrix, const Tile& tile, const QuantizedRows& x,
                  const Kernels& kernels, const MultiplyScratch& scratch, const TileOutput& out) {
  if (matrix.group_cols == 0) return MultiplyRowScaled(matrix, tile, x, scratch, out);
  MultiplyGroupScaled(matrix, tile, x, kernels, scratch, out);
}

// Rows outside, tokens inside: a tile's weights stay in the cache for all tokens. One token has
// nothing to come back for: one call for all rows, as look-up kernels make tables in each.
template <typename Body>
void ForEachTile(const BitLinear& matrix, IndexRange part, size_t tokens, const Kernels& kernels,
                 Body body) {
  const size_t digits = matrix.group_cols == 0 ? 1 : kWideDigits;
  const size_t token_tile = TokensAtOnce(kernels.l2_bytes, digits * CodesStride(matrix.cols));
  const size_t row_tile = tokens == 1 ? kSumsTile : kRowTile;
  for (size_t row = part.begin; row < part.end; row += row_tile) {
    const size_t rows = std::min(row_tile, part.end - row);
    for (size_t token = 0; token < tokens; token += token_tile) {
      body(Tile{row, rows, token, std::min(token_tile, tokens - token)});
    }
  }
}

}  // namespace

size_t TokensAtOnce(size_t l2_bytes, size_t bytes) {
  if (l2_bytes == 0) return kTokenTile;
  return std::clamp<size_t>(l2_bytes / 2 / bytes / 8 * 8, 16, kTokenTile);
}

void Multiply(const BitLinear& matrix, IndexRange part, const QuantizedRows& x, size_t tokens,
              const Kernels& kernels, Output output, const MultiplyScratch& scratch, float* out) {
  ForEachTile(matrix, part, tokens, kernels, [&](const Tile& tile) {
    float* first = out + tile.token * matrix.rows + tile.row;
    MultiplyTile(matrix, tile, x, kernels, scratch, {first, matrix.rows, output});
  });
}

void MultiplyGated(const BitLinear& gate, const QuantizedRows& gate_x, const BitLinear& up,
                   const QuantizedRows& up_x, IndexRange part, size_t tokens,
                   const Kernels& kernels, GateActivation activation,
                   const MultiplyScratch& scratch, float* out) {
  ForEachTile(gate, part, tokens, kernels, [&](const Tile& tile) {
    float* first = out + tile.token * gate.rows + tile.row;
    MultiplyTile(gate, tile, gate_x, kernels, scratch, {first, gate.rows, Output::kStore});
    MultiplyTile(up, tile, up_x, kernels, scratch, {scratch.factors, kRowTile, Output::kStore});
    for (size_t t = 0; t < tile.tokens; ++t) {
      activation(first + t * gate.rows, scratch.factors + t * kRowTile, tile.rows);
    }
  });
}

void QuantizeInput(const BitLinear& matrix, const float* x, size_t token, const Kernels& kernels,
                   QuantizedRows& to) {
  const size_t cols = matrix.cols;
  const size_t offset = token * to.stride;
  if (matrix.group_cols == 0) {
    to.factors[token] = kernels.ops.quantize_row(x, to.codes[0] + offset, &to.sums[token], cols);
    return;
  }
  int8_t* const digits[kWideDigits] = {to.codes[0] + offset, to.codes[1] + offset,
                                       to.codes[2] + offset};
  to.factors[token] = kernels.ops.quantize_row_wide(x, digits, cols);
  int32_t* sums = to.sums + token * (cols / matrix.group_cols);
  for (size_t begin = 0; begin < cols; begin += matrix.group_cols) {
    int32_t digit_sums[kWideDigits] = {};
    for (int digit = 0; digit < kWideDigits; ++digit) {
      for (size_t i = 0; i < matrix.group_cols; ++i) digit_sums[digit] += digits[digit][begin + i];
    }
    *sums++ = (digit_sums[0] * kWideBase + digit_sums[1]) * kWideBase + digit_sums[2];
  }
}

void DecodeRow(const BitLinear& matrix, size_t row, std::span<int8_t> trits, float* out) {
  UnpackRow(matrix.kernels.packing(), matrix.packed.data(), matrix.cols, row, trits.data());
  const size_t group_cols = matrix.group_cols == 0 ? matrix.cols : matrix.group_cols;
  const size_t groups = matrix.cols / group_cols;
  for (size_t group = 0; group < groups; ++group) {
    float scale = matrix.row_scales.empty() ? matrix.scale : matrix.row_scales[row];
    if (matrix.group_cols > 0) {
      const size_t tile = (row / kT2R16Rows * groups + group) * kT2R16Rows;
      scale = matrix.group_scales[tile + row % kT2R16Rows];
    }
    for (size_t col = group * group_cols; col < (group + 1) * group_cols; ++col) {
      out[col] = static_cast<float>(trits[col]) * scale;
    }
  }
}

}  // namespace tern
