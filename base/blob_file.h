// SPDX-License-Identifier: MIT
// A file of a few arrays of bytes, checked by CRC32C: what can be made again and is kept to save
// time. Read by all threads of a pool straight into the reader's own memory, where weights lie on
// huge pages: mapped, pages of 4 KiB made matrix products a fifth slower (docs/kernels.md).
//
// Layout, little-endian: "TERNBLOB"; u32 version; u32 count of arrays; for each array u64 offset
// and u64 bytes; for each MiB of each array, the last one shorter, u32 CRC32C; u32 CRC32C of all
// before. Arrays begin at multiples of 4096.
#ifndef TERN_BASE_BLOB_FILE_H_
#define TERN_BASE_BLOB_FILE_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/thread_pool.h"

namespace tern {

// Writes `arrays` to `path`, whose folder exists, under another name first, so that no reader finds
// half a file. RESOURCE_EXHAUSTED if the disk is full, UNKNOWN with the system's reason otherwise;
// then there is no new file.
absl::Status WriteBlobFile(const std::string& path, std::span<const Bytes> arrays);

// Immutable, thread-safe. Movable.
class BlobFile {
 public:
  // NOT_FOUND if there is no such file, FAILED_PRECONDITION if another version wrote it, DATA_LOSS
  // if it is damaged.
  static absl::StatusOr<BlobFile> Open(const std::string& path);

  ~BlobFile();
  BlobFile(BlobFile&& other) noexcept;
  BlobFile& operator=(BlobFile&&) = delete;

  size_t arrays() const { return arrays_.size(); }
  uint64_t bytes(size_t array) const { return arrays_[array].bytes; }

  // Reads a whole array, with the threads of `pool`, each an equal part. DATA_LOSS, naming the
  // file, if it is damaged. REQUIRES room for bytes(array) at `to`.
  absl::Status Read(size_t array, ThreadPool& pool, uint8_t* to) const;

 private:
  struct Array {
    uint64_t offset = 0;
    uint64_t bytes = 0;
    std::vector<uint32_t> crcs = {};
  };

  BlobFile(std::string path, int file) : path_(std::move(path)), file_(file) {}
  absl::Status ReadHeader();
  absl::Status ReadChunk(const Array& array, size_t chunk, uint8_t* to) const;
  absl::Status Damaged(const std::string& what) const;

  std::string path_;
  int file_ = -1;
  std::vector<Array> arrays_;
};

}  // namespace tern

#endif  // TERN_BASE_BLOB_FILE_H_
