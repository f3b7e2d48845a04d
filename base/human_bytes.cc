// SPDX-License-Identifier: MIT
#include "base/human_bytes.h"

#include <iterator>

#include "absl/strings/str_format.h"

namespace tern {

std::string HumanBytes(double bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  constexpr size_t kLast = std::size(kUnits) - 1;
  size_t unit = 0;
  // From 1023.95 on, one decimal would print as 1024.0.
  while (unit < kLast && bytes >= (unit == 0 ? 1024 : 1023.95)) {
    bytes /= 1024;
    ++unit;
  }
  return absl::StrFormat("%.*f %s", unit == 0 ? 0 : 1, bytes, kUnits[unit]);
}

}  // namespace tern
