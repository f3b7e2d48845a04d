// SPDX-License-Identifier: MIT
// Weights as they were packed for the kernels, kept on disk: a later load reads them instead of
// packing again. A directory of blob files (base/blob_file.h), each named by the SHA-256 of what it
// was made of; nothing in it is needed, and anything may be deleted.
#ifndef TERN_MODEL_PACKED_CACHE_H_
#define TERN_MODEL_PACKED_CACHE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/blob_file.h"

namespace tern {

// Thread-compatible. Several processes may share a directory.
class PackedCache {
 public:
  static constexpr uint64_t kDefaultLimitBytes = uint64_t{32} << 30;

  // `directory` is made when something is stored; empty: nothing is kept.
  explicit PackedCache(std::string directory, uint64_t limit_bytes = kDefaultLimitBytes)
      : directory_(std::move(directory)), limit_bytes_(limit_bytes) {}

  // Removes the files that were not used for longest while all together are larger than the limit,
  // if anything was stored.
  ~PackedCache();
  PackedCache(const PackedCache&) = delete;
  PackedCache& operator=(const PackedCache&) = delete;

  // What was stored for the bytes with this `content_id` (TensorSource::ContentId) in this `form`,
  // a text that says all else that the arrays depend on. Nothing for an empty id, for another count
  // of arrays, and for a damaged file, which is removed with a line in the log.
  std::optional<BlobFile> Find(const std::string& content_id, const std::string& form,
                               size_t arrays) const;

  // Keeps `arrays`. An error is one line in the log: the cache then holds less.
  void Store(const std::string& content_id, const std::string& form, std::span<const Bytes> arrays);

  // Removes a file that turned out to be damaged, and logs `why`.
  void Discard(const std::string& content_id, const std::string& form,
               const absl::Status& why) const;

 private:
  std::string PathOf(const std::string& content_id, const std::string& form) const;
  void Trim() const;

  const std::string directory_;
  const uint64_t limit_bytes_;
  bool has_stored_ = false;
  bool has_failed_ = false;  // and said so
};

}  // namespace tern

#endif  // TERN_MODEL_PACKED_CACHE_H_
