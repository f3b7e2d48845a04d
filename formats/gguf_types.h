// SPDX-License-Identifier: MIT
// Numbers of the GGUF format that its reader and its writer share. Not for anyone else.
#ifndef TERN_FORMATS_GGUF_TYPES_H_
#define TERN_FORMATS_GGUF_TYPES_H_

#include <cstdint>

namespace tern {

inline constexpr uint32_t kGgufMagic = 0x46554747;  // "GGUF"
inline constexpr uint64_t kGgufDefaultAlignment = 32;
inline constexpr char kGgufAlignmentKey[] = "general.alignment";

enum class GgufType : uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

// The first multiple of `alignment`, a power of two, at or after `position`.
constexpr uint64_t GgufAlign(uint64_t position, uint64_t alignment) {
  return (position + alignment - 1) & ~(alignment - 1);
}

}  // namespace tern

#endif  // TERN_FORMATS_GGUF_TYPES_H_
