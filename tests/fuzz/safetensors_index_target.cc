// SPDX-License-Identifier: MIT
// Any bytes as the index of a directory of shards: no name leads out of the directory.
#include "absl/strings/match.h"
#include "base/log.h"
#include "formats/safetensors.h"
#include "tests/fuzz/fuzz_target.h"

namespace tern {

absl::Status RunFuzzTarget(std::span<const uint8_t> bytes) {
  const auto index =
      ParseSafetensorsIndex({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, "fuzz");
  if (!index.ok()) {
    TERN_CHECK(absl::IsDataLoss(index.status()));
    return index.status();
  }
  for (const auto& [tensor, file] : *index) {
    TERN_CHECK(!file.empty() && file != "." && file != ".." && !absl::StrContains(file, "/"));
  }
  return absl::OkStatus();
}

}  // namespace tern
