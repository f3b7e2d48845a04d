// SPDX-License-Identifier: MIT
#include "base/blob_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "base/status_macros.h"

namespace tern {
namespace {

constexpr char kMagic[8] = {'T', 'E', 'R', 'N', 'B', 'L', 'O', 'B'};
constexpr uint32_t kVersion1 = 1;
constexpr uint32_t kMostArrays = 64;
constexpr uint64_t kChunkBytes = 1 << 20;
constexpr uint64_t kAlignment = 4096;

uint64_t Chunks(uint64_t bytes) { return (bytes + kChunkBytes - 1) / kChunkBytes; }

template <typename T>
void Append(T value, std::string& to) {
  to.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

// The header of `arrays`, and where each lies.
std::string MakeHeader(std::span<const Bytes> arrays, std::vector<uint64_t>& offsets) {
  uint64_t chunks = 0;
  for (const Bytes array : arrays) chunks += Chunks(array.size());
  uint64_t next = sizeof(kMagic) + 8 + arrays.size() * 16 + chunks * 4 + 4;
  std::string header(kMagic, sizeof(kMagic));
  Append(kVersion1, header);
  Append(static_cast<uint32_t>(arrays.size()), header);
  for (const Bytes array : arrays) {
    // An empty array lies nowhere, lest it be past the end.
    if (!array.empty()) next = (next + kAlignment - 1) / kAlignment * kAlignment;
    offsets.push_back(next);
    Append(next, header);
    Append(uint64_t{array.size()}, header);
    next += array.size();
  }
  for (const Bytes array : arrays) {
    for (uint64_t begin = 0; begin < array.size(); begin += kChunkBytes) {
      const uint64_t size = std::min<uint64_t>(kChunkBytes, array.size() - begin);
      Append(Crc32c(array.subspan(begin, size)), header);
    }
  }
  Append(Crc32c(AsBytes(header)), header);
  return header;
}

absl::Status SystemError(const std::string& path, const char* what) {
  const std::string text = absl::StrCat(path, ": ", what, ": ", std::strerror(errno));
  if (errno == ENOSPC || errno == EDQUOT) return absl::ResourceExhaustedError(text);
  return absl::UnknownError(text);
}

absl::Status WriteAt(int file, const std::string& path, Bytes bytes, uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t written = pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return SystemError(path, "cannot be written");
    bytes = bytes.subspan(static_cast<size_t>(written));
    offset += static_cast<uint64_t>(written);
  }
  return absl::OkStatus();
}

// Whether all of it could be read.
bool ReadAt(int file, uint64_t offset, std::span<uint8_t> to) {
  while (!to.empty()) {
    const ssize_t got = pread(file, to.data(), to.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to = to.subspan(static_cast<size_t>(got));
    offset += static_cast<uint64_t>(got);
  }
  return true;
}

}  // namespace

absl::Status WriteBlobFile(const std::string& path, std::span<const Bytes> arrays) {
  const std::string temporary = absl::StrCat(path, ".new.", getpid());
  const int file = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return SystemError(temporary, "cannot be created");
  absl::Cleanup remove = [&] { unlink(temporary.c_str()); };
  absl::Cleanup close_file = [&] { close(file); };
  std::vector<uint64_t> offsets;
  const std::string header = MakeHeader(arrays, offsets);
  TERN_RETURN_IF_ERROR(WriteAt(file, temporary, AsBytes(header), 0));
  for (size_t i = 0; i < arrays.size(); ++i) {
    TERN_RETURN_IF_ERROR(WriteAt(file, temporary, arrays[i], offsets[i]));
  }
  if (rename(temporary.c_str(), path.c_str()) != 0) return SystemError(path, "cannot be named");
  std::move(remove).Cancel();
  return absl::OkStatus();
}

absl::StatusOr<BlobFile> BlobFile::Open(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    const std::string text = absl::StrCat(path, ": ", std::strerror(errno));
    return errno == ENOENT || errno == ENOTDIR ? absl::NotFoundError(text)
                                               : absl::UnknownError(text);
  }
  BlobFile blob(path, file);
  TERN_RETURN_IF_ERROR(blob.ReadHeader());
  return blob;
}

BlobFile::~BlobFile() {
  if (file_ >= 0) close(file_);
}

BlobFile::BlobFile(BlobFile&& other) noexcept
    : path_(std::move(other.path_)),
      file_(std::exchange(other.file_, -1)),
      arrays_(std::move(other.arrays_)) {}

absl::Status BlobFile::Damaged(const std::string& what) const {
  return absl::DataLossError(absl::StrCat(path_, ": ", what));
}

absl::Status BlobFile::ReadHeader() {
  struct stat info = {};
  if (fstat(file_, &info) != 0) return SystemError(path_, "cannot be read");
  const auto file_bytes = static_cast<uint64_t>(info.st_size);
  struct {
    char magic[8];
    uint32_t version, count;
  } start;
  static_assert(sizeof(start) == 16);
  uint8_t* start_bytes = reinterpret_cast<uint8_t*>(&start);
  if (!ReadAt(file_, 0, {start_bytes, sizeof(start)}) ||
      std::memcmp(start.magic, kMagic, sizeof(kMagic)) != 0) {
    return Damaged("found no blob file");
  }
  if (start.version != kVersion1) {
    return absl::FailedPreconditionError(
        absl::StrCat(path_, ": found version ", start.version, ", this build reads ", kVersion1));
  }
  if (start.count > kMostArrays) {
    return Damaged(absl::StrCat("found ", start.count, " arrays, want at most ", kMostArrays));
  }
  std::vector<uint64_t> places(2 * start.count);
  uint64_t at = sizeof(start);
  const auto read = [&](void* to, uint64_t bytes) {
    const bool ok = ReadAt(file_, at, {static_cast<uint8_t*>(to), bytes});
    at += bytes;
    return ok;
  };
  if (!read(places.data(), places.size() * sizeof(uint64_t))) return Damaged("cut short");
  uint32_t crc = Crc32c({start_bytes, sizeof(start)});
  crc = Crc32c({reinterpret_cast<uint8_t*>(places.data()), places.size() * 8}, crc);
  for (size_t i = 0; i < start.count; ++i) {
    Array array = {places[2 * i], places[2 * i + 1]};
    if (array.offset > file_bytes || array.bytes > file_bytes - array.offset) {
      return Damaged(absl::StrCat("found array ", i, " of ", array.bytes, " bytes at ",
                                  array.offset, " in ", file_bytes, " bytes"));
    }
    array.crcs.resize(Chunks(array.bytes));
    if (!read(array.crcs.data(), array.crcs.size() * 4)) return Damaged("cut short");
    crc = Crc32c({reinterpret_cast<uint8_t*>(array.crcs.data()), array.crcs.size() * 4}, crc);
    arrays_.push_back(std::move(array));
  }
  uint32_t want = 0;
  if (!read(&want, sizeof(want)) || want != crc) return Damaged("header: the checksum differs");
  return absl::OkStatus();
}

absl::Status BlobFile::ReadChunk(const Array& array, size_t chunk, uint8_t* to) const {
  const uint64_t begin = chunk * kChunkBytes;
  const std::span<uint8_t> bytes = {to + begin, std::min(kChunkBytes, array.bytes - begin)};
  if (!ReadAt(file_, array.offset + begin, bytes)) return Damaged("cut short");
  if (Crc32c(bytes) == array.crcs[chunk]) return absl::OkStatus();
  return Damaged(absl::StrCat("the checksum at byte ", array.offset + begin, " differs"));
}

absl::Status BlobFile::Read(size_t index, ThreadPool& pool, uint8_t* to) const {
  const Array& array = arrays_[index];
  std::vector<absl::Status> statuses(pool.size());
  pool.Run([&](size_t thread) {
    const IndexRange share = SplitRange(array.crcs.size(), 1, thread, pool.size());
    for (size_t chunk = share.begin; chunk < share.end && statuses[thread].ok(); ++chunk) {
      statuses[thread] = ReadChunk(array, chunk, to);
    }
  });
  for (const absl::Status& status : statuses) TERN_RETURN_IF_ERROR(status);
  return absl::OkStatus();
}

}  // namespace tern
