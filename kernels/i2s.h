// SPDX-License-Identifier: MIT
// I2_S, the layout of ternary weights in BitNet's files (docs/tensors.md): rows follow each other;
// each 128 columns take 32 bytes, byte p holds columns p, 32+p, 64+p, 96+p from the high bits down.
// A trit t in {-1, 0, +1} is stored as the 2-bit code t + 1; code 3 never occurs.
#ifndef TERN_KERNELS_I2S_H_
#define TERN_KERNELS_I2S_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/status.h"

namespace tern {

inline constexpr size_t kI2SBlockCols = 128;
inline constexpr size_t kI2SBlockBytes = 32;
inline constexpr size_t kI2STailBytes = 32;  // float32 scale, then zeros

// Packs trits, a multiple of 128 of them, into a quarter as many bytes (no tail).
void PackI2S(std::span<const int8_t> trits, std::span<uint8_t> packed);

// The reverse of PackI2S. DATA_LOSS, naming the byte, if code 3 occurs.
absl::Status UnpackI2S(std::span<const uint8_t> packed, std::span<int8_t> trits);

}  // namespace tern

#endif  // TERN_KERNELS_I2S_H_
