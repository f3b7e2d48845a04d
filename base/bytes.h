// SPDX-License-Identifier: MIT
// Bytes that somebody else owns.
#ifndef TERN_BASE_BYTES_H_
#define TERN_BASE_BYTES_H_

#include <cstdint>
#include <span>

#include "absl/strings/string_view.h"

namespace tern {

using Bytes = std::span<const uint8_t>;

inline Bytes AsBytes(absl::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

template <typename T>
Bytes BytesOf(std::span<const T> items) {
  return {reinterpret_cast<const uint8_t*>(items.data()), items.size_bytes()};
}

}  // namespace tern

#endif  // TERN_BASE_BYTES_H_
