// SPDX-License-Identifier: MIT
// The GGUF reader: whatever the bytes, it refuses them with a reason or gives views inside them.
#include "base/log.h"
#include "formats/gguf.h"
#include "tests/fuzz/fuzz_target.h"

namespace tern {

absl::Status RunFuzzTarget(std::span<const uint8_t> bytes) {
  const absl::StatusOr<std::unique_ptr<GgufFile>> file = GgufFile::Parse(bytes, "fuzz");
  if (!file.ok()) {
    TERN_CHECK(absl::IsDataLoss(file.status()) || absl::IsFailedPrecondition(file.status()));
    TERN_CHECK(!file.status().message().empty());
    return file.status();
  }
  for (const auto& [key, value] : (*file)->metadata()) {
    TERN_CHECK((*file)->Has(key) && !value.ToString().empty());
  }
  for (const TensorInfo& info : (*file)->tensors()) {
    const absl::StatusOr<TensorView> found = (*file)->Find(info.name);
    if (!found.ok()) {
      TERN_CHECK(absl::IsFailedPrecondition(found.status()));
      continue;
    }
    const TensorView& view = *found;
    TERN_CHECK(view.data.data() >= bytes.data());
    TERN_CHECK(view.data.data() + view.data.size() <= bytes.data() + bytes.size());
    TERN_CHECK(view.data.size() == info.bytes);
  }
  return absl::OkStatus();
}

}  // namespace tern
