// SPDX-License-Identifier: MIT
// A file mapped read-only into memory.
#ifndef TERN_BASE_MAPPED_FILE_H_
#define TERN_BASE_MAPPED_FILE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"

namespace tern {

// Immutable and thread-safe. The bytes stay valid while the object lives. If another process cuts
// the file short meanwhile, touching the lost part raises SIGBUS, as with every mapping.
class MappedFile {
 public:
  // NOT_FOUND if there is no such file, FAILED_PRECONDITION if it is not a regular file,
  // PERMISSION_DENIED or UNKNOWN with the system's reason otherwise.
  static absl::StatusOr<std::unique_ptr<MappedFile>> Open(const std::string& path);

  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const uint8_t> bytes() const { return bytes_; }
  const std::string& path() const { return path_; }

 private:
  MappedFile(std::string path, std::span<const uint8_t> bytes)
      : path_(std::move(path)), bytes_(bytes) {}

  const std::string path_;
  const std::span<const uint8_t> bytes_;
};

// Tells the system that bytes of a mapped file will not be needed soon: pages that lie wholly
// within leave this process's memory. Touched again, they are read again. REQUIRES bytes of a
// MappedFile.
void ReleasePages(std::span<const uint8_t> bytes);

}  // namespace tern

#endif  // TERN_BASE_MAPPED_FILE_H_
