// SPDX-License-Identifier: MIT
// Any bytes as a safetensors file.
#include "base/log.h"
#include "formats/safetensors.h"
#include "tests/fuzz/fuzz_target.h"

namespace tern {

absl::Status RunFuzzTarget(std::span<const uint8_t> bytes) {
  const absl::StatusOr<std::unique_ptr<SafetensorsFile>> file =
      SafetensorsFile::Parse(bytes, "fuzz");
  if (!file.ok()) {
    TERN_CHECK(absl::IsDataLoss(file.status()) || absl::IsFailedPrecondition(file.status()));
    return file.status();
  }
  for (const Safetensor& tensor : (*file)->tensors()) {
    if (tensor.data.empty()) continue;
    TERN_CHECK(tensor.data.data() >= bytes.data());
    TERN_CHECK(tensor.data.data() + tensor.data.size() <= bytes.data() + bytes.size());
  }
  return absl::OkStatus();
}

}  // namespace tern
