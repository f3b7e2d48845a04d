// SPDX-License-Identifier: MIT
// Test support: heads whose rows, and inputs whose values, are hard on a screen.
#ifndef TERN_TESTS_MODEL_HEAD_ROWS_H_
#define TERN_TESTS_MODEL_HEAD_ROWS_H_

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "formats/dense.h"
#include "kernels/registry.h"
#include "model/embedding.h"

namespace tern {

enum class RowKind {
  kGaussian,
  kEqual,
  kNearTies,
  kHuge,
  kZero,
  kTiny,
  kOneColumn,
  kCoarse,
  kMixed
};
inline constexpr RowKind kRowKinds[] = {RowKind::kGaussian,  RowKind::kEqual,  RowKind::kNearTies,
                                        RowKind::kHuge,      RowKind::kZero,   RowKind::kTiny,
                                        RowKind::kOneColumn, RowKind::kCoarse, RowKind::kMixed};

// `base` is common to all rows of the head.
inline void FillRow(RowKind kind, const std::vector<float>& base, std::mt19937& rng,
                    std::vector<float>& row) {
  std::normal_distribution<float> gaussian(0, 0.05f);
  if (kind == RowKind::kMixed) kind = kRowKinds[rng() % 8];
  for (float& value : row) value = gaussian(rng);
  const size_t any = rng() % row.size();
  switch (kind) {
    case RowKind::kEqual:
      row = base;
      break;
    case RowKind::kNearTies:  // one number differs, by little
      row = base;
      row[any] *= 1 + 0x1p-9f;
      break;
    case RowKind::kHuge:
      for (float& value : row) value *= 3e5f;
      break;
    case RowKind::kZero:
      std::fill(row.begin(), row.end(), 0.0f);
      break;
    case RowKind::kTiny:  // subnormal in f16
      for (float& value : row) value *= 1e-5f;
      break;
    case RowKind::kOneColumn:
      row[7 % row.size()] = rng() % 2 == 0 ? 40.0f : -40.0f;
      break;
    case RowKind::kCoarse:  // all but one half-way between two codes
      for (float& value : row) value = (static_cast<float>(rng() % 8) - 3.5f) * 0.01f;
      row[any] = 1.27f;
      break;
    default:
      break;
  }
}

// A head of an uncompressed type.
inline EmbeddingTable MakeHead(TensorType type, RowKind kind, size_t rows, size_t cols,
                               std::mt19937& rng) {
  EmbeddingTable head = {};
  head.type = type;
  head.rows = rows;
  head.cols = cols;
  head.row_bytes = DenseRowBytes(type, cols);
  head.dense = AlignedBuffer<uint8_t>(rows * head.row_bytes);
  std::vector<float> base(cols), row(cols);
  FillRow(RowKind::kGaussian, base, rng, base);
  for (size_t r = 0; r < rows; ++r) {
    FillRow(kind, base, rng, row);
    uint8_t* to = head.dense.data() + r * head.row_bytes;
    if (type == TensorType::kF16) {
      ChooseKernels("portable")->ops.to_f16(row.data(), reinterpret_cast<uint16_t*>(to), cols);
    } else if (type == TensorType::kBF16) {
      for (size_t c = 0; c < cols; ++c) {  // little-endian: the upper half
        std::memcpy(to + 2 * c, reinterpret_cast<const uint8_t*>(&row[c]) + 2, 2);
      }
    } else {
      std::memcpy(to, row.data(), head.row_bytes);
    }
  }
  return head;
}

enum class InputKind { kGaussian, kOneOutlier, kZero, kTiny, kHuge, kInfinite, kNan };
inline constexpr InputKind kInputKinds[] = {
    InputKind::kGaussian, InputKind::kOneOutlier, InputKind::kZero, InputKind::kTiny,
    InputKind::kHuge,     InputKind::kInfinite,   InputKind::kNan};

inline std::vector<float> MakeInput(InputKind kind, size_t cols, std::mt19937& rng) {
  std::normal_distribution<float> gaussian;
  std::vector<float> x(cols);
  for (float& value : x) {
    value = kind == InputKind::kZero ? 0 : gaussian(rng);
    if (kind == InputKind::kTiny) value *= 1e-20f;
    if (kind == InputKind::kHuge) value *= 1e25f;
  }
  const size_t any = rng() % cols;
  if (kind == InputKind::kOneOutlier) x[any] = 5000;
  if (kind == InputKind::kInfinite) x[any] = std::numeric_limits<float>::infinity();
  if (kind == InputKind::kNan) x[any] = std::numeric_limits<float>::quiet_NaN();
  return x;
}

}  // namespace tern

#endif  // TERN_TESTS_MODEL_HEAD_ROWS_H_
