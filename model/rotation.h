// SPDX-License-Identifier: MIT
// Weights stored in a rotated basis (prism.hadamard.* in a file's metadata; docs/formats.md): what
// multiplies them must be rotated alike. With H the normalised Walsh-Hadamard matrix in Sylvester's
// order and s a vector of signs, for each block of columns: x' = H (s * x), and back x = s * (H
// x').
#ifndef TERN_MODEL_ROTATION_H_
#define TERN_MODEL_ROTATION_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace tern {

// What a file declares.
struct Rotation {
  uint32_t block_cols = 0;                        // a power of two; 0: nothing is rotated
  std::map<uint32_t, std::vector<int8_t>> signs;  // by width, each -1 or 1; empty: all 1
  std::vector<std::string> weights;               // tensors whose input is rotated; sorted
  bool embedding = false;                         // rows of the embedding are rotated back

  bool operator==(const Rotation&) const = default;

  // Whether the input of the tensor `name` is rotated.
  bool Applies(absl::string_view name) const;
  // The signs for rows of `width`; empty if all are 1.
  std::span<const int8_t> Signs(uint32_t width) const;
};

// x' = H (s * x) in blocks, in place. Butterflies of neighbours first, then of twice the distance,
// and so on; one multiplication by 1 / sqrt(block_cols), rounded to float, at the end: the same
// bits everywhere. REQUIRES width a multiple of block_cols and signs of that width, or none.
void Rotate(uint32_t block_cols, std::span<const int8_t> signs, float* x, size_t width);
// The way back: x = s * (H x').
void RotateBack(uint32_t block_cols, std::span<const int8_t> signs, float* x, size_t width);

}  // namespace tern

#endif  // TERN_MODEL_ROTATION_H_
