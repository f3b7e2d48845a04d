// SPDX-License-Identifier: MIT
// Reads safetensors files, one or the shards of a directory, without trusting a byte of them.
//
// Source of the format: the README of the safetensors project; docs/formats.md.
#ifndef TERN_FORMATS_SAFETENSORS_H_
#define TERN_FORMATS_SAFETENSORS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/mapped_file.h"

namespace tern {

// Borrowed: the bytes live as long as the file.
struct Safetensor {
  std::string name;
  std::string dtype;            // as the file says it: "BF16", "U8", ...
  std::vector<uint64_t> shape;  // outermost first
  std::span<const uint8_t> data;
};

// Immutable, thread-safe.
class SafetensorsFile {
 public:
  // Maps and checks the header: its length, every offset against the file's size, shapes against
  // offsets, no overlaps. NOT_FOUND if there is no such file, DATA_LOSS (what was found, what was
  // wanted) if it is damaged or cut short, FAILED_PRECONDITION for a dtype of unknown size.
  static absl::StatusOr<std::unique_ptr<SafetensorsFile>> Open(const std::string& path);
  // The same for bytes in memory, which must outlive the object. `name` is used in errors.
  static absl::StatusOr<std::unique_ptr<SafetensorsFile>> Parse(std::span<const uint8_t> bytes,
                                                                const std::string& name);

  // In order of names.
  const std::vector<Safetensor>& tensors() const { return tensors_; }

 private:
  SafetensorsFile() = default;

  std::unique_ptr<MappedFile> file_;  // null when made by Parse
  std::vector<Safetensor> tensors_;
};

// The file that has each tensor, by the tensor's name, from the text of a
// model.safetensors.index.json. File names are plain: they stay in the index's folder. DATA_LOSS if
// it is no such index. `name` is used in errors.
absl::StatusOr<std::map<std::string, std::string>> ParseSafetensorsIndex(absl::string_view text,
                                                                         const std::string& name);

// Immutable, thread-safe.
class SafetensorsSet {
 public:
  // The tensors of DIRECTORY/model.safetensors or, if there is none, of the shards that
  // model.safetensors.index.json names, which must be plain file names. NOT_FOUND, naming both, if
  // there is neither; errors of the files; DATA_LOSS for a tensor that is not where the index says,
  // or occurs twice.
  static absl::StatusOr<std::unique_ptr<SafetensorsSet>> Open(const std::string& directory);

  // Null if there is none.
  const Safetensor* Find(absl::string_view name) const;
  const std::vector<const Safetensor*>& tensors() const { return tensors_; }
  uint64_t bytes() const { return bytes_; }  // of all tensors

 private:
  SafetensorsSet() = default;
  absl::Status Add(const std::string& path);

  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::vector<const Safetensor*> tensors_;
  absl::flat_hash_map<std::string, const Safetensor*> by_name_;
  uint64_t bytes_ = 0;
};

}  // namespace tern

#endif  // TERN_FORMATS_SAFETENSORS_H_
