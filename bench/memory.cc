// SPDX-License-Identifier: MIT
#include "bench/memory.h"

#include <malloc.h>

#include <fstream>

#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "bench/text_file.h"

namespace tern {

uint64_t PeakResidentBytes() {
  const std::string field = ReadField("/proc/self/status", "VmHWM");
  uint64_t kibibytes = 0;
  if (!absl::SimpleAtoi(absl::StripSuffix(field, " kB"), &kibibytes)) return 0;
  return kibibytes * 1024;
}

bool ResetPeakResidentBytes() {
  malloc_trim(0);
  std::ofstream file("/proc/self/clear_refs");
  file << "5" << std::flush;  // proc(5): resets VmHWM
  return file.good();
}

}  // namespace tern
