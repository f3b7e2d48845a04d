// SPDX-License-Identifier: MIT
#include "model/rotation.h"

#include <algorithm>
#include <cmath>

namespace tern {
namespace {

// One block times the normalised Hadamard matrix, in place.
void Transform(float* x, size_t block) {
  for (size_t distance = 1; distance < block; distance *= 2) {
    for (size_t begin = 0; begin < block; begin += 2 * distance) {
      float* low = x + begin;
      float* high = low + distance;
      for (size_t i = 0; i < distance; ++i) {
        const float sum = low[i] + high[i];
        high[i] = low[i] - high[i];
        low[i] = sum;
      }
    }
  }
  const float scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(block)));
  for (size_t i = 0; i < block; ++i) x[i] *= scale;
}

void FlipSigns(std::span<const int8_t> signs, float* x) {
  for (size_t i = 0; i < signs.size(); ++i) x[i] = signs[i] < 0 ? -x[i] : x[i];
}

void TransformBlocks(uint32_t block_cols, float* x, size_t width) {
  for (size_t begin = 0; begin < width; begin += block_cols) Transform(x + begin, block_cols);
}

}  // namespace

bool Rotation::Applies(absl::string_view name) const {
  return block_cols > 0 && std::binary_search(weights.begin(), weights.end(), name);
}

std::span<const int8_t> Rotation::Signs(uint32_t width) const {
  const auto found = signs.find(width);
  if (found == signs.end()) return {};
  return found->second;
}

void Rotate(uint32_t block_cols, std::span<const int8_t> signs, float* x, size_t width) {
  FlipSigns(signs, x);
  TransformBlocks(block_cols, x, width);
}

void RotateBack(uint32_t block_cols, std::span<const int8_t> signs, float* x, size_t width) {
  TransformBlocks(block_cols, x, width);
  FlipSigns(signs, x);
}

}  // namespace tern
