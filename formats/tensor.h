// SPDX-License-Identifier: MIT
// Tensors as files and shards hold them: a name, a type, a shape and raw bytes.
#ifndef TERN_FORMATS_TENSOR_H_
#define TERN_FORMATS_TENSOR_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tern {

// Numbers as in GGUF files (docs/formats.md). Where programs disagree about a number, the reader
// decides by the tensor's size (formats/gguf.h): here each number has one meaning.
enum class TensorType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ8_0 = 8,
  kQ6K = 14,
  kBF16 = 30,
  kTQ1_0 = 34,
  kTQ2_0 = 35,
  kI2S = 36,
  kQ2_0 = 42,  // groups of 64; the older kind with groups of 128 is read as kPQ2_0, its equal
  kIQ1BN = 134,
  kIQ2BN = 135,
  kPQ2_0 = 142,
  kPTQ1_0 = 143,
};

// "F32", "Q6_K", "I2_S" ..., or "type N".
std::string TensorTypeName(TensorType type);

// Whether this build reads the type.
bool IsKnown(TensorType type);
// Types of ternary weights; all others that are known hold arbitrary numbers.
bool IsTernary(TensorType type);

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
// 2^63, or a shape that the type cannot hold: columns that are not whole blocks or, for I2_S,
// whose blocks run on from row to row, elements that are not.
absl::StatusOr<uint64_t> TensorBytes(TensorType type, std::span<const uint64_t> shape);

// A tensor's bytes: borrowed from a source, as whose file they are mapped, or made for this view.
// `data` need not be aligned to more than 4 bytes.
struct TensorView {
  TensorInfo info;
  std::span<const uint8_t> data;
  std::shared_ptr<const void> owner = nullptr;  // of `data`; null: it lives as long as the source
  bool is_mapped = false;                       // `data` is part of a MappedFile
};

// Where a stage finds its weights: a model file, or shards fetched one tensor at a time.
// Implementations are thread-safe.
class TensorSource {
 public:
  virtual ~TensorSource() = default;
  // NOT_FOUND, naming the tensor, if there is none.
  virtual absl::StatusOr<TensorView> Find(absl::string_view name) const = 0;
  // A digest that determines the tensor's bytes, if they have not changed since the source was
  // opened; empty if there is none without reading them each time.
  virtual std::string ContentId(absl::string_view /*name*/) const { return ""; }
};

}  // namespace tern

#endif  // TERN_FORMATS_TENSOR_H_
