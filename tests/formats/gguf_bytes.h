// SPDX-License-Identifier: MIT
// Builds the bytes of GGUF files field by field, right or wrong, for tests of the reader.
#ifndef TERN_TESTS_FORMATS_GGUF_BYTES_H_
#define TERN_TESTS_FORMATS_GGUF_BYTES_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace tern {

class GgufBytes {
 public:
  template <typename T>
  GgufBytes& Number(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
    return *this;
  }
  GgufBytes& Raw(absl::string_view bytes) {
    bytes_.append(bytes.data(), bytes.size());
    return *this;
  }
  GgufBytes& String(absl::string_view text) { return Number<uint64_t>(text.size()).Raw(text); }
  GgufBytes& Header(uint64_t tensors, uint64_t keys, uint32_t version = 3) {
    return Raw("GGUF").Number(version).Number(tensors).Number(keys);
  }
  // A key and the number of its value's type; the value comes next.
  GgufBytes& Key(absl::string_view key, uint32_t type) { return String(key).Number(type); }
  GgufBytes& Tensor(absl::string_view name, const std::vector<uint64_t>& shape, uint32_t type,
                    uint64_t offset) {
    String(name).Number(static_cast<uint32_t>(shape.size()));
    for (const uint64_t extent : shape) Number(extent);
    return Number(type).Number(offset);
  }
  // Zeros up to the next multiple of `alignment`, then `bytes` more.
  GgufBytes& Data(uint64_t bytes, uint64_t alignment = 32) {
    bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment + bytes);
    return *this;
  }

  const std::string& str() const { return bytes_; }
  std::span<const uint8_t> span() const {
    return {reinterpret_cast<const uint8_t*>(bytes_.data()), bytes_.size()};
  }

 private:
  std::string bytes_;
};

}  // namespace tern

#endif  // TERN_TESTS_FORMATS_GGUF_BYTES_H_
