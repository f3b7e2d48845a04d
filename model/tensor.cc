// SPDX-License-Identifier: MIT
#include "model/tensor.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "kernels/packing.h"

namespace tern {
namespace {

constexpr uint64_t kMaxBytes = uint64_t{1} << 63;

// The product of a shape, or nullopt past 2^63.
std::optional<uint64_t> Elements(std::span<const uint64_t> shape) {
  uint64_t elements = 1;
  for (const uint64_t extent : shape) {
    if (__builtin_mul_overflow(elements, extent, &elements) || elements > kMaxBytes) return {};
  }
  return elements;
}

}  // namespace

std::string TensorTypeName(TensorType type) {
  switch (type) {
    case TensorType::kF32:
      return "F32";
    case TensorType::kF16:
      return "F16";
    case TensorType::kI2S:
      return "I2_S";
  }
  return absl::StrCat("type ", static_cast<uint32_t>(type));
}

absl::StatusOr<uint64_t> TensorBytes(TensorType type, std::span<const uint64_t> shape) {
  const std::optional<uint64_t> elements = Elements(shape);
  if (!elements) {
    return absl::InvalidArgumentError(
        absl::StrCat("shape [", absl::StrJoin(shape, ", "), "]: more than 2^63 elements"));
  }
  uint64_t bytes = 0;
  switch (type) {
    case TensorType::kF32:
    case TensorType::kF16:
      if (__builtin_mul_overflow(*elements, type == TensorType::kF32 ? 4 : 2, &bytes) ||
          bytes > kMaxBytes) {
        return absl::InvalidArgumentError(
            absl::StrCat("shape [", absl::StrJoin(shape, ", "), "]: more than 2^63 bytes"));
      }
      return bytes;
    case TensorType::kI2S:
      if (shape.empty() || shape[0] % kI2SBlockCols != 0) {
        return absl::InvalidArgumentError(absl::StrCat("I2_S columns: found ",
                                                       shape.empty() ? 0 : shape[0],
                                                       ", want a multiple of ", kI2SBlockCols));
      }
      return *elements / 4 + kI2STailBytes;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("tensor type: found ", static_cast<uint32_t>(type), ", want F32, F16 or I2_S"));
}

}  // namespace tern
