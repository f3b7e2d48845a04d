// SPDX-License-Identifier: MIT
#include "model/packed_cache.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/cached_files.h"
#include "base/log.h"
#include "base/sha256.h"

namespace tern {
namespace {

// Raised when the same content and form give other bytes than before.
constexpr int kFormat = 1;

}  // namespace

PackedCache::~PackedCache() {
  if (has_stored_) Trim();
}

std::string PackedCache::PathOf(const std::string& content_id, const std::string& form) const {
  const std::string key = absl::StrCat(kFormat, "\n", content_id, "\n", form);
  return absl::StrCat(directory_, "/", Sha256Hex(AsBytes(key)));
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
  TrimCachedFiles(CachedFilesIn(directory_), limit_bytes_, [](const CachedFile& file) {
    std::error_code ignored;
    std::filesystem::remove(file.path, ignored);
    return true;
  });
}

}  // namespace tern
