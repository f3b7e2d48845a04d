// SPDX-License-Identifier: MIT
#include "cluster/tensor_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/cached_files.h"
#include "base/file_notes.h"
#include "base/human_bytes.h"
#include "base/log.h"
#include "base/mapped_file.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "cluster/cache_lease.h"
#include "model/content_id.h"

namespace tern {
namespace {

absl::Status SystemError(const std::string& path, const char* what) {
  const int error = errno;
  const std::string text = absl::StrCat(path, ": cannot ", what, ": ", std::strerror(error));
  return error == ENOSPC || error == EDQUOT ? absl::ResourceExhaustedError(text)
                                            : absl::UnknownError(text);
}

// A tensor on its way into the cache: bytes are appended and hashed; Publish gives them their final
// name. The file `<sha256>.part` survives a transfer that was cut off. It is locked while in use,
// and whoever finds it locked writes to a file of its own.
class PartFile {
 public:
  static absl::StatusOr<std::unique_ptr<PartFile>> Open(const std::string& final_path) {
    const std::string path = final_path + ".part";
    std::unique_ptr<PartFile> part(new PartFile);
    part->path_ = path;
    part->fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (part->fd_ < 0) return SystemError(path, "open");
    if (part->Lock()) return part;
    return OpenPrivate(path);
  }

  ~PartFile() {
    if (is_private_ && !path_.empty()) unlink(path_.c_str());
    if (fd_ >= 0) close(fd_);
  }
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  uint64_t bytes() const { return bytes_; }

  // Hashes what an earlier transfer left. More than `limit` bytes cannot be its beginning.
  absl::Status ReadBack(uint64_t limit) {
    std::vector<uint8_t> buffer(1 << 20);
    while (true) {
      const ssize_t count = pread(fd_, buffer.data(), buffer.size(), static_cast<off_t>(bytes_));
      if (count < 0) return SystemError(path_, "read");
      if (count == 0) return absl::OkStatus();
      hash_->Update({buffer.data(), static_cast<size_t>(count)});
      bytes_ += static_cast<uint64_t>(count);
      if (bytes_ > limit) return Restart();
    }
  }

  absl::Status Restart() {
    if (ftruncate(fd_, 0) != 0) return SystemError(path_, "truncate");
    bytes_ = 0;
    hash_.emplace();
    return absl::OkStatus();
  }

  absl::Status Append(std::span<const uint8_t> bytes) {
    hash_->Update(bytes);
    while (!bytes.empty()) {
      const ssize_t count = pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(bytes_));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return SystemError(path_, "write");
      bytes_ += static_cast<uint64_t>(count);
      bytes = bytes.subspan(static_cast<size_t>(count));
    }
    return absl::OkStatus();
  }

  // The digest of the whole. Ends the hash: Restart or Publish comes next.
  std::string FinishHash() { return hash_->Finish(); }

  absl::Status Publish(const std::string& final_path) {
    if (rename(path_.c_str(), final_path.c_str()) != 0) return SystemError(path_, "rename");
    path_.clear();
    return absl::OkStatus();
  }

 private:
  PartFile() = default;

  static absl::StatusOr<std::unique_ptr<PartFile>> OpenPrivate(const std::string& path) {
    std::unique_ptr<PartFile> part(new PartFile);
    std::string name = path + ".XXXXXX";
    part->fd_ = mkostemp(name.data(), O_CLOEXEC);
    if (part->fd_ < 0) return SystemError(name, "create");
    part->path_ = name;
    part->is_private_ = true;
    return part;
  }

  // Whether the file is now ours alone. It is not if somebody else holds it, or held it and has
  // given it its final name meanwhile.
  bool Lock() {
    struct stat opened;
    struct stat named;
    return flock(fd_, LOCK_EX | LOCK_NB) == 0 && fstat(fd_, &opened) == 0 &&
           stat(path_.c_str(), &named) == 0 && opened.st_ino == named.st_ino &&
           opened.st_dev == named.st_dev;
  }

  std::string path_;
  int fd_ = -1;
  bool is_private_ = false;
  uint64_t bytes_ = 0;
  std::optional<Sha256> hash_{std::in_place};  // optional: to begin anew
};

// Fetches from one source what `part` lacks of `tensor`. DATA_LOSS, with nothing left in `part`, if
// the whole is wrong then.
absl::Status Complete(PartFile& part, const TensorRef& tensor, const std::string& source,
                      const TensorFetch& fetch) {
  const uint64_t wanted = tensor.info.bytes;
  absl::Status status;
  if (part.bytes() < wanted) {
    status = fetch(
        source, tensor.sha256, part.bytes(), [&](std::span<const uint8_t> piece) -> absl::Status {
          if (piece.size() > wanted - part.bytes()) {
            return absl::DataLossError(absl::StrCat(
                "tensor ", tensor.info.name, ": found more bytes than the ", wanted, " wanted"));
          }
          return part.Append(piece);
        });
  }
  if (status.ok() && part.bytes() < wanted) {
    return absl::UnavailableError(absl::StrCat("tensor ", tensor.info.name, ": found ",
                                               part.bytes(), " bytes, want ", wanted));
  }
  if (status.ok() && part.FinishHash() == tensor.sha256) return absl::OkStatus();
  if (!status.ok() && !absl::IsDataLoss(status)) return status;
  TERN_RETURN_IF_ERROR(part.Restart());
  return absl::DataLossError(absl::StrCat(
      "tensor ", tensor.info.name, ": the fetched bytes do not have the digest ", tensor.sha256));
}

// As Complete, but once more from the beginning if it may be what was there before that is wrong.
absl::Status CompleteOrRestart(PartFile& part, const TensorRef& tensor, const std::string& source,
                               const TensorFetch& fetch, uint64_t& fetched) {
  const auto counting = [&](const std::string& from, const std::string& sha256, uint64_t offset,
                            const ByteSink& sink) {
    return fetch(from, sha256, offset, [&](std::span<const uint8_t> piece) {
      fetched += piece.size();
      return sink(piece);
    });
  };
  const bool resumed = part.bytes() > 0;
  const absl::Status status = Complete(part, tensor, source, counting);
  if (!absl::IsDataLoss(status) || !resumed) return status;
  return Complete(part, tensor, source, counting);
}

// What is there, with the time of its last use, which is that of the note of its digest.
std::vector<CachedFile> TensorsIn(const std::string& directory, const FileNotes& notes) {
  std::vector<CachedFile> tensors;
  for (CachedFile& file : CachedFilesIn(directory)) {
    const std::optional<std::string> state = FileState(file.path.string());
    if (!state) continue;  // gone meanwhile
    file.used = notes.LastUse(*state).value_or(file.used);
    tensors.push_back(std::move(file));
  }
  return tensors;
}

}  // namespace

absl::StatusOr<TensorCache> TensorCache::Open(const std::string& cache_directory) {
  TensorCache cache(cache_directory);
  const std::string& directory = cache.directory_;
  std::error_code error;
  const bool created = std::filesystem::create_directories(directory, error);
  if (!error && created) {
    std::filesystem::permissions(directory, std::filesystem::perms::owner_all, error);
  }
  if (!error && !std::filesystem::is_directory(directory, error) && !error) {
    error = std::make_error_code(std::errc::not_a_directory);
  }
  if (error) {
    return absl::FailedPreconditionError(
        absl::StrCat(directory, ": cannot be the tensor cache: ", error.message()));
  }
  return cache;
}

std::string TensorCache::PathOf(const TensorRef& tensor) const {
  TERN_CHECK(IsSha256Hex(tensor.sha256));  // cluster/wire.cc has checked what came from outside
  return absl::StrCat(directory_, "/", tensor.sha256);
}

absl::StatusOr<TensorView> TensorCache::Lookup(const TensorRef& tensor) const {
  const std::string path = PathOf(tensor);
  TERN_ASSIGN_OR_RETURN(const std::shared_ptr<MappedFile> file, MappedFile::Open(path));
  if (file->bytes().size() == tensor.info.bytes &&
      ContentId(path, cache_directory_) == tensor.sha256) {
    return TensorView{.info = tensor.info, .data = file->bytes(), .owner = file, .is_mapped = true};
  }
  LogWarning(path, ": damaged (tensor ", tensor.info.name, "); removed");
  unlink(path.c_str());
  return absl::NotFoundError(absl::StrCat(path, ": damaged"));
}

absl::Status TensorCache::Store(const TensorRef& tensor, const TensorFetch& fetch,
                                FetchedBytes& fetched) const {
  const std::string path = PathOf(tensor);
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<PartFile> part, PartFile::Open(path));
  TERN_RETURN_IF_ERROR(part->ReadBack(tensor.info.bytes));
  absl::Status status;
  for (const std::string& peer : tensor.peers) {
    status = CompleteOrRestart(*part, tensor, peer, fetch, fetched.from_peers);
    if (status.ok() || absl::IsCancelled(status)) break;
    LogInfo("tensor ", tensor.info.name, ": not from ", peer, ": ", status.message());
  }
  if (tensor.peers.empty() || (!status.ok() && !absl::IsCancelled(status))) {
    status = CompleteOrRestart(*part, tensor, "", fetch, fetched.from_coordinator);
  }
  TERN_RETURN_IF_ERROR(status);
  TERN_RETURN_IF_ERROR(part->Publish(path));
  KeepContentId(path, cache_directory_, tensor.sha256);
  return absl::OkStatus();
}

void TensorCache::Trim(uint64_t limit_bytes) const {
  const FileNotes notes = DigestNotes(cache_directory_);
  std::optional<absl::flat_hash_set<std::string>> in_use;  // read only if something has to go
  const uint64_t total =
      TrimCachedFiles(TensorsIn(directory_, notes), limit_bytes, [&](const CachedFile& tensor) {
        if (!in_use) in_use = CacheLease::NamesInUse(cache_directory_);
        if (in_use->contains(tensor.path.stem().string())) return false;  // also as a part
        const std::optional<std::string> state = FileState(tensor.path.string());
        if (state) notes.Remove(*state);
        unlink(tensor.path.c_str());
        return true;
      });
  if (total <= limit_bytes) return;
  LogWarning(directory_, ": ", HumanBytes(total), " are in use, more than the limit of ",
             HumanBytes(limit_bytes));
}

}  // namespace tern
