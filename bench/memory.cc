// SPDX-License-Identifier: MIT
#include "bench/memory.h"

#include <malloc.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "bench/text_file.h"

namespace tern {

namespace {

// "123 kB", with spaces around it.
uint64_t ParseKibibytes(absl::string_view field) {
  uint64_t kibibytes = 0;
  const absl::string_view number = absl::StripSuffix(absl::StripAsciiWhitespace(field), " kB");
  return absl::SimpleAtoi(number, &kibibytes) ? kibibytes * 1024 : 0;
}

}  // namespace

uint64_t PeakResidentBytes() { return ParseKibibytes(ReadField("/proc/self/status", "VmHWM")); }

// proc(5): each mapping has a line that ends with its path, then lines of "Field: value".
uint64_t ResidentFileBytes(const std::string& path) {
  std::error_code error;
  const std::string found = std::filesystem::canonical(path, error).string();
  if (error) return 0;
  std::ifstream file("/proc/self/smaps");
  uint64_t bytes = 0;
  bool is_of_path = false;
  for (std::string line; std::getline(file, line);) {
    const size_t slash = line.find('/');
    if (absl::StartsWith(line, "Rss:")) {
      if (is_of_path) bytes += ParseKibibytes(line.substr(4));
    } else if (slash != std::string::npos) {
      const absl::string_view mapped = absl::string_view(line).substr(slash);
      is_of_path = mapped == found || absl::StartsWith(mapped, found + "/");
    } else if (line.find('-') < line.find(':')) {
      is_of_path = false;  // a mapping without a file
    }
  }
  return bytes;
}

bool ResetPeakResidentBytes() {
  malloc_trim(0);
  std::ofstream file("/proc/self/clear_refs");
  file << "5" << std::flush;  // proc(5): resets VmHWM
  return file.good();
}

}  // namespace tern
