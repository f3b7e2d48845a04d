// SPDX-License-Identifier: MIT
#include "formats/tensor.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "kernels/i2s.h"

namespace tern {
namespace {

constexpr uint64_t kMaxBytes = uint64_t{1} << 63;

// How a type stores its elements: blocks of `block_cols` columns in `block_bytes` bytes each, after
// `row_bytes` at the start of every row and before `tensor_bytes` at the end of the tensor.
struct Layout {
  TensorType type;
  const char* name;
  bool is_ternary;
  uint64_t block_cols;
  uint64_t block_bytes;
  uint64_t row_bytes = 0;
  uint64_t tensor_bytes = 0;
};

constexpr Layout kLayouts[] = {
    {TensorType::kF32, "F32", false, 1, 4},
    {TensorType::kF16, "F16", false, 1, 2},
    {TensorType::kBF16, "BF16", false, 1, 2},
    {TensorType::kQ4_0, "Q4_0", false, 32, 18},
    {TensorType::kQ8_0, "Q8_0", false, 32, 34},
    {TensorType::kQ6K, "Q6_K", false, 256, 210},
    {TensorType::kTQ1_0, "TQ1_0", true, 256, 54},
    {TensorType::kTQ2_0, "TQ2_0", true, 256, 66},
    {TensorType::kI2S, "I2_S", true, kI2SBlockCols, kI2SBlockBytes, 0, kI2STailBytes},
    {TensorType::kQ2_0, "Q2_0", true, 64, 18},
    {TensorType::kIQ1BN, "IQ1_BN", true, 64, 13, 2},
    {TensorType::kIQ2BN, "IQ2_BN", true, 64, 16, 4},
    {TensorType::kPQ2_0, "PQ2_0", true, 128, 34},
    {TensorType::kPTQ1_0, "PTQ1_0", true, 128, 28},
};

const Layout* Find(TensorType type) {
  for (const Layout& layout : kLayouts) {
    if (layout.type == type) return &layout;
  }
  return nullptr;
}

std::string KnownNames() {
  return absl::StrJoin(kLayouts, ", ", [](std::string* out, const Layout& layout) {
    absl::StrAppend(out, layout.name);
  });
}

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
  const Layout* layout = Find(type);
  if (layout != nullptr) return layout->name;
  return absl::StrCat("type ", static_cast<uint32_t>(type));
}

bool IsKnown(TensorType type) { return Find(type) != nullptr; }

bool IsTernary(TensorType type) {
  const Layout* layout = Find(type);
  return layout != nullptr && layout->is_ternary;
}

absl::StatusOr<uint64_t> TensorBytes(TensorType type, std::span<const uint64_t> shape) {
  const Layout* layout = Find(type);
  if (layout == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        "tensor type: found ", static_cast<uint32_t>(type), ", want one of ", KnownNames()));
  }
  const auto too_large = [&](const char* what) {
    return absl::InvalidArgumentError(
        absl::StrCat("shape [", absl::StrJoin(shape, ", "), "]: more than 2^63 ", what));
  };
  const std::optional<uint64_t> elements = Elements(shape);
  if (!elements) return too_large("elements");
  // The blocks of I2_S run on from row to row.
  const uint64_t cols = shape.empty() ? 1 : shape[0];
  const uint64_t in_blocks = type == TensorType::kI2S ? *elements : cols;
  if ((shape.empty() && layout->block_cols > 1) || in_blocks % layout->block_cols != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(layout->name, type == TensorType::kI2S ? " elements" : " columns", ": found ",
                     shape.empty() ? 0 : in_blocks, ", want a multiple of ", layout->block_cols));
  }
  const uint64_t rows = cols == 0 ? 0 : *elements / cols;
  uint64_t bytes = 0;
  uint64_t row_bytes = 0;
  if (__builtin_mul_overflow(*elements / layout->block_cols, layout->block_bytes, &bytes) ||
      __builtin_mul_overflow(rows, layout->row_bytes, &row_bytes) ||
      __builtin_add_overflow(bytes, row_bytes + layout->tensor_bytes, &bytes) ||
      bytes > kMaxBytes) {
    return too_large("bytes");
  }
  return bytes;
}

}  // namespace tern
