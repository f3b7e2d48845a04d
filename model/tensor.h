// SPDX-License-Identifier: MIT
// Tensors as files and shards hold them: a name, a type, a shape and raw bytes.
#ifndef TERN_MODEL_TENSOR_H_
#define TERN_MODEL_TENSOR_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tern {

// Numbers as in GGUF files of BitNet's dialect (docs/formats.md).
enum class TensorType : uint32_t { kF32 = 0, kF16 = 1, kI2S = 36 };

// "F32", "F16", "I2_S", or "type N".
std::string TensorTypeName(TensorType type);

// The facts about a tensor, without its bytes.
struct TensorInfo {
  std::string name;
  TensorType type = TensorType::kF32;
  std::vector<uint64_t> shape;  // innermost first, as GGUF: {cols, rows} for a matrix
  uint64_t bytes = 0;           // stored size; I2_S includes its 32-byte tail

  uint64_t cols() const { return shape.empty() ? 0 : shape[0]; }
  uint64_t rows() const { return shape.size() < 2 ? 1 : shape[1]; }
};

// Stored size of a tensor. INVALID_ARGUMENT for a type this build does not know, a size past
// 2^63, or I2_S with columns that are not a multiple of 128.
absl::StatusOr<uint64_t> TensorBytes(TensorType type, std::span<const uint64_t> shape);

// Borrowed bytes; they live as long as the source they came from. `data` need not be aligned to
// more than 4 bytes.
struct TensorView {
  TensorInfo info;
  std::span<const uint8_t> data;
};

// Where a stage finds its weights: a GGUF file, or shards fetched one tensor at a time.
class TensorSource {
 public:
  virtual ~TensorSource() = default;
  // NOT_FOUND, naming the tensor, if there is none.
  virtual absl::StatusOr<TensorView> Find(absl::string_view name) const = 0;
};

}  // namespace tern

#endif  // TERN_MODEL_TENSOR_H_
