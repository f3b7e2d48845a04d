// SPDX-License-Identifier: MIT
// What the type numbers of a GGUF file's tensors mean. Several programs use the same numbers for
// different types; the space that a tensor has in the file tells them apart (docs/formats.md).
// Not for anyone but formats/gguf.cc.
#ifndef TERN_FORMATS_GGUF_TENSOR_TYPES_H_
#define TERN_FORMATS_GGUF_TENSOR_TYPES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "formats/tensor.h"

namespace tern {

// A tensor as the directory of a file has it.
struct PlacedTensor {
  TensorInfo info;         // without `bytes`; the type as stored
  uint64_t offset = 0;     // from the start of the tensor data
  uint64_t space = 0;      // bytes to the next tensor, or to the end of the data
  std::string unreadable;  // why this build cannot read it; empty if it can
};

// Sets info.type, and info.bytes of what can be read, or else `unreadable`. DATA_LOSS, naming the
// tensor, for a type that can be read with a shape that it cannot have.
absl::Status ResolveTensorTypes(uint64_t alignment, std::vector<PlacedTensor>& tensors);

}  // namespace tern

#endif  // TERN_FORMATS_GGUF_TENSOR_TYPES_H_
