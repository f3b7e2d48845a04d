// SPDX-License-Identifier: MIT
// The files of a cache's folder, and its limit: those not used for longest go first.
#ifndef TERN_BASE_CACHED_FILES_H_
#define TERN_BASE_CACHED_FILES_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"

namespace tern {

struct CachedFile {
  std::filesystem::path path;
  std::filesystem::file_time_type used;  // at last
  uint64_t bytes = 0;
};

// What is in `directory`, each used when it was last written. Empty if there is no such folder.
std::vector<CachedFile> CachedFilesIn(const std::string& directory);

// Calls `remove` for files until they have `limit_bytes` at most together, those not used for
// longest first; it answers whether the file went. Returns the bytes that are left.
uint64_t TrimCachedFiles(std::vector<CachedFile> files, uint64_t limit_bytes,
                         absl::FunctionRef<bool(const CachedFile&)> remove);

}  // namespace tern

#endif  // TERN_BASE_CACHED_FILES_H_
