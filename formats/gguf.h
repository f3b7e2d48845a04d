// SPDX-License-Identifier: MIT
// Reads GGUF files (versions 2 and 3, little-endian) without trusting a byte of them.
//
// Source of the format: the GGUF page of the ggml documentation; BitNet's I2_S in docs/formats.md.
#ifndef TERN_FORMATS_GGUF_H_
#define TERN_FORMATS_GGUF_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "base/mapped_file.h"
#include "formats/tensor.h"

namespace tern {

// A metadata value. Integers of every width are widened, unsigned to uint64_t and signed to
// int64_t; floats to double. Arrays hold elements of one kind.
struct GgufValue;
using GgufArray = std::variant<std::vector<bool>, std::vector<uint64_t>, std::vector<int64_t>,
                               std::vector<double>, std::vector<std::string>>;
struct GgufValue {
  std::variant<bool, uint64_t, int64_t, double, std::string, GgufArray> value;
  // E.g. `4096`, `"gpt2"`, `[4096 strings]`.
  std::string ToString() const;
};

// Immutable but for Forget, thread-safe. Views and spans live as long as the object.
class GgufFile final : public TensorSource {
 public:
  // Maps and checks the whole directory: every count, length, offset and type against the file's
  // size, tensors inside the file and not overlapping. A tensor of a type that this build does not
  // read is listed, but not found. NOT_FOUND if there is no such file, DATA_LOSS (what was found,
  // what was wanted, at which byte) if it is damaged or cut short, FAILED_PRECONDITION for a
  // version that this build does not read.
  static absl::StatusOr<std::unique_ptr<GgufFile>> Open(const std::string& path);
  // The same for bytes in memory, which must outlive the object. `name` is used in errors.
  static absl::StatusOr<std::unique_ptr<GgufFile>> Parse(std::span<const uint8_t> bytes,
                                                         const std::string& name);

  // In file order.
  const std::vector<std::pair<std::string, GgufValue>>& metadata() const { return metadata_; }
  const std::vector<TensorInfo>& tensors() const { return tensors_; }
  uint32_t version() const { return version_; }
  const std::string& name() const { return name_; }
  uint64_t file_bytes() const { return bytes_.size(); }

  // FAILED_PRECONDITION with the reason for a tensor of a type that this build does not read.
  absl::StatusOr<TensorView> Find(absl::string_view name) const override;
  // The reason why tensors()[i] cannot be read; empty if it can.
  const std::string& unreadable(size_t i) const { return unreadable_[i]; }

  // The value of a key, converted where exact. NOT_FOUND if absent, DATA_LOSS if of another kind
  // (the file says so of itself) or out of range.
  absl::StatusOr<uint64_t> Unsigned(absl::string_view key) const;
  absl::StatusOr<double> Float(absl::string_view key) const;
  absl::StatusOr<bool> Bool(absl::string_view key) const;
  absl::StatusOr<std::string> String(absl::string_view key) const;
  // Pointers into the metadata.
  absl::StatusOr<const std::vector<std::string>*> Strings(absl::string_view key) const;
  absl::StatusOr<std::vector<int64_t>> Integers(absl::string_view key) const;
  absl::StatusOr<std::vector<double>> Floats(absl::string_view key) const;
  bool Has(absl::string_view key) const;

  // From now on the file has no keys that begin with `prefix`; frees what they held. REQUIRES that
  // no other thread uses the object meanwhile.
  void Forget(absl::string_view prefix);

 private:
  GgufFile() = default;

  absl::StatusOr<const GgufValue*> Value(absl::string_view key) const;
  absl::Status WrongKind(absl::string_view key, const GgufValue& value,
                         absl::string_view want) const;

  std::shared_ptr<MappedFile> file_;  // null when made by Parse
  std::span<const uint8_t> bytes_;
  std::string name_;
  uint32_t version_ = 0;
  std::vector<std::pair<std::string, GgufValue>> metadata_;
  std::vector<TensorInfo> tensors_;
  std::vector<uint64_t> offsets_;        // [tensors], from the start of the file
  std::vector<std::string> unreadable_;  // [tensors]
  absl::flat_hash_map<std::string, size_t> metadata_index_;
  absl::flat_hash_map<std::string, size_t> tensor_index_;
};

}  // namespace tern

#endif  // TERN_FORMATS_GGUF_H_
