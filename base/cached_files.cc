// SPDX-License-Identifier: MIT
#include "base/cached_files.h"

#include <algorithm>
#include <system_error>

namespace tern {

std::vector<CachedFile> CachedFilesIn(const std::string& directory) {
  std::vector<CachedFile> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    std::error_code gone;  // another process may remove it meanwhile
    const uint64_t bytes = entry.file_size(gone);
    const auto written = entry.last_write_time(gone);
    if (!gone) files.push_back({entry.path(), written, bytes});
  }
  return files;
}

uint64_t TrimCachedFiles(std::vector<CachedFile> files, uint64_t limit_bytes,
                         absl::FunctionRef<bool(const CachedFile&)> remove) {
  uint64_t total = 0;
  for (const CachedFile& file : files) total += file.bytes;
  std::sort(files.begin(), files.end(),
            [](const CachedFile& a, const CachedFile& b) { return a.used < b.used; });
  for (const CachedFile& file : files) {
    if (total <= limit_bytes) break;
    if (remove(file)) total -= file.bytes;
  }
  return total;
}

}  // namespace tern
