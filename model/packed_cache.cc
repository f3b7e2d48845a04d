// SPDX-License-Identifier: MIT
#include "model/packed_cache.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/sha256.h"

namespace tern {
namespace {

// Raised when the same content and form give other bytes than before.
constexpr int kFormat = 1;

struct CachedFile {
  std::filesystem::path path;
  std::filesystem::file_time_type used;
  uint64_t bytes;
};

std::vector<CachedFile> FilesIn(const std::string& directory) {
  std::vector<CachedFile> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    std::error_code gone;  // another process may remove it meanwhile
    const uint64_t bytes = entry.file_size(gone);
    const auto used = entry.last_write_time(gone);
    if (!gone) files.push_back({entry.path(), used, bytes});
  }
  return files;
}

}  // namespace

PackedCache::~PackedCache() {
  if (has_stored_) Trim();
}

std::string PackedCache::PathOf(const std::string& content_id, const std::string& form) const {
  const std::string key = absl::StrCat(kFormat, "\n", content_id, "\n", form);
  return absl::StrCat(directory_, "/",
                      Sha256Hex({reinterpret_cast<const uint8_t*>(key.data()), key.size()}));
}

std::optional<BlobFile> PackedCache::Find(const std::string& content_id, const std::string& form,
                                          size_t arrays) const {
  if (directory_.empty() || content_id.empty()) return std::nullopt;
  const std::string path = PathOf(content_id, form);
  absl::StatusOr<BlobFile> file = BlobFile::Open(path);
  if (file.ok() && file->arrays() != arrays) {
    file = absl::DataLossError(
        absl::StrCat(path, ": found ", file->arrays(), " arrays, want ", arrays));
  }
  if (!file.ok()) {
    if (!absl::IsNotFound(file.status())) Discard(content_id, form, file.status());
    return std::nullopt;
  }
  std::error_code ignored;  // the time of the last use
  std::filesystem::last_write_time(path, std::filesystem::file_time_type::clock::now(), ignored);
  return std::move(*file);
}

void PackedCache::Store(const std::string& content_id, const std::string& form,
                        std::span<const Bytes> arrays) {
  if (directory_.empty() || content_id.empty() || has_failed_) return;
  std::error_code ignored;  // shows when the file cannot be created
  std::filesystem::create_directories(directory_, ignored);
  const absl::Status status = WriteBlobFile(PathOf(content_id, form), arrays);
  has_stored_ = has_stored_ || status.ok();
  if (status.ok()) return;
  has_failed_ = true;
  LogWarning("packed weights are not kept for the next time: ", status.message());
}

void PackedCache::Discard(const std::string& content_id, const std::string& form,
                          const absl::Status& why) const {
  LogWarning("packed weights are made again: ", why.message());
  std::error_code ignored;
  std::filesystem::remove(PathOf(content_id, form), ignored);
}

void PackedCache::Trim() const {
  std::vector<CachedFile> files = FilesIn(directory_);
  uint64_t total = 0;
  for (const CachedFile& file : files) total += file.bytes;
  std::sort(files.begin(), files.end(),
            [](const CachedFile& a, const CachedFile& b) { return a.used < b.used; });
  for (const CachedFile& file : files) {
    if (total <= limit_bytes_) return;
    std::error_code ignored;
    std::filesystem::remove(file.path, ignored);
    total -= file.bytes;
  }
}

}  // namespace tern
