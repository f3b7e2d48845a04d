// SPDX-License-Identifier: MIT
// The metadata keys of one architecture in a GGUF file, "ARCHITECTURE.key".
#ifndef TERN_MODEL_GGUF_KEYS_H_
#define TERN_MODEL_GGUF_KEYS_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "formats/gguf.h"

namespace tern {

// What GgufFile reports as NOT_FOUND is damage in a file that claims to be a model: DATA_LOSS here.
// `file` must outlive the object.
class GgufKeys {
 public:
  GgufKeys(const GgufFile& file, std::string architecture)
      : file_(file), architecture_(std::move(architecture)) {}

  std::string Name(absl::string_view key) const { return absl::StrCat(architecture_, ".", key); }
  bool Has(absl::string_view key) const { return file_.Has(Name(key)); }

  absl::StatusOr<uint32_t> Unsigned(absl::string_view key) const;
  absl::StatusOr<float> Float(absl::string_view key) const;
  // The second value if there is no such key.
  absl::StatusOr<uint32_t> UnsignedOr(absl::string_view key, uint32_t value) const;
  absl::StatusOr<float> FloatOr(absl::string_view key, float value) const;
  absl::StatusOr<std::string> StringOr(absl::string_view key, absl::string_view value) const;

 private:
  const GgufFile& file_;
  const std::string architecture_;
};

}  // namespace tern

#endif  // TERN_MODEL_GGUF_KEYS_H_
