// SPDX-License-Identifier: MIT
#include "batch/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "batch/settings.h"

namespace tern {
namespace {

constexpr char kMagic[] = "tern-batch-journal 1 ";
constexpr size_t kPiece = size_t{1} << 20;

absl::Status Failed(const std::string& path, const char* what) {
  const int error = errno;
  const std::string text = absl::StrCat(path, ": ", what, ": ", std::strerror(error));
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  return full ? absl::ResourceExhaustedError(text) : absl::UnknownError(text);
}

uint32_t Checksum(absl::string_view text) {
  return Crc32c({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

// All of `text`, at `offset`.
absl::Status WriteAt(int file, absl::string_view text, uint64_t offset, const std::string& path) {
  while (!text.empty()) {
    const ssize_t count = pwrite(file, text.data(), text.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return Failed(path, "cannot write");
    text.remove_prefix(static_cast<size_t>(count));
    offset += static_cast<uint64_t>(count);
  }
  return absl::OkStatus();
}

absl::Status ReadAt(int file, uint64_t offset, size_t bytes, const std::string& path,
                    std::string& text) {
  text.resize(bytes);
  size_t done = 0;
  while (done < bytes) {
    const ssize_t count =
        pread(file, text.data() + done, bytes - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return Failed(path, "cannot read");
    done += static_cast<size_t>(count);
  }
  return absl::OkStatus();
}

// A new name of a file survives a crash only once its directory is on the disk.
absl::Status SyncDirectoryOf(const std::string& path) {
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  const std::string directory = parent.empty() ? "." : parent.string();
  const int file = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return Failed(directory, "cannot open");
  const bool synced = fsync(file) == 0 || errno == EINVAL;  // some file systems have no need
  close(file);
  return synced ? absl::OkStatus() : Failed(directory, "cannot sync");
}

}  // namespace

absl::StatusOr<std::unique_ptr<Journal>> Journal::Open(const std::string& path,
                                                       const nlohmann::ordered_json& settings) {
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (file < 0) return Failed(path, "cannot open");
  std::unique_ptr<Journal> journal(new Journal(path, file));
  if (flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    return absl::FailedPreconditionError(absl::StrCat(path, ": another job has it open"));
  }
  TERN_RETURN_IF_ERROR(journal->Recover(settings));
  return journal;
}

Journal::~Journal() { close(file_); }

absl::Status Journal::Recover(const nlohmann::ordered_json& settings) {
  struct stat info = {};
  if (fstat(file_, &info) != 0) return Failed(path_, "cannot stat");
  std::string text;
  TERN_RETURN_IF_ERROR(ReadAt(file_, 0, static_cast<size_t>(info.st_size), path_, text));
  const size_t end = text.find('\n');
  if (end == std::string::npos) {
    // Nothing yet, or no more than the start of a header.
    const bool torn = absl::StartsWith(text, kMagic) || absl::StartsWith(kMagic, text);
    if (torn) return Begin(settings);
  }
  const auto header =
      end != std::string::npos && absl::StartsWith(text, kMagic)
          ? nlohmann::ordered_json::parse(text.begin() + sizeof(kMagic) - 1,
                                          text.begin() + static_cast<ptrdiff_t>(end), nullptr,
                                          /*allow_exceptions=*/false)
          : nlohmann::ordered_json();
  if (!header.is_object()) {
    return absl::FailedPreconditionError(absl::StrCat(path_, ": not a journal of batches"));
  }
  const absl::Status same = CheckSameSettings(header, settings);
  if (!same.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat(path_, ": from a job with other settings: ", same.message()));
  }
  ReadEntries(text, end + 1);
  found_ = entries_.size();
  cut_bytes_ = text.size() - size_;
  if (cut_bytes_ == 0) return absl::OkStatus();
  return ftruncate(file_, static_cast<off_t>(size_)) == 0 ? absl::OkStatus()
                                                          : Failed(path_, "cannot truncate");
}

absl::Status Journal::Begin(const nlohmann::ordered_json& settings) {
  if (ftruncate(file_, 0) != 0) return Failed(path_, "cannot truncate");
  TERN_RETURN_IF_ERROR(Write(absl::StrCat(kMagic, settings.dump(), "\n")));
  TERN_RETURN_IF_ERROR(Sync());
  return SyncDirectoryOf(path_);
}

// Sets size_ to the end of the last sound line.
void Journal::ReadEntries(const std::string& text, size_t begin) {
  size_ = begin;
  while (true) {
    const size_t end = text.find('\n', begin);
    if (end == std::string::npos) return;
    const absl::string_view line = absl::string_view(text).substr(begin, end - begin);
    const std::vector<absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits(' ', 3));
    uint32_t checksum = 0;
    uint64_t number = 0;
    if (parts.size() != 4 || !absl::SimpleHexAtoi(parts[0], &checksum) ||
        checksum != Checksum(line.substr(parts[0].size() + 1)) ||
        !absl::SimpleAtoi(parts[1], &number)) {
      return;
    }
    entries_[number] = {.offset = end - parts[3].size(),
                        .bytes = parts[3].size(),
                        .digest = std::string(parts[2]),
                        .current = false};
    begin = size_ = end + 1;
  }
}

bool Journal::Has(uint64_t line, const std::string& digest) {
  const auto found = entries_.find(line);
  if (found == entries_.end() || found->second.digest != digest) return false;
  found->second.current = true;
  return true;
}

absl::Status Journal::Put(uint64_t line, const std::string& digest, const std::string& answer) {
  const std::string rest = absl::StrCat(line, " ", digest, " ", answer);
  TERN_RETURN_IF_ERROR(
      Write(absl::StrCat(absl::Hex(Checksum(rest), absl::kZeroPad8), " ", rest, "\n")));
  entries_[line] = {.offset = size_ - 1 - answer.size(),
                    .bytes = answer.size(),
                    .digest = digest,
                    .current = true};
  return absl::OkStatus();
}

absl::Status Journal::Write(const std::string& text) {
  const absl::Status status = WriteAt(file_, text, size_, path_);
  if (status.ok()) {
    size_ += text.size();
    synced_ = false;
  } else if (ftruncate(file_, static_cast<off_t>(size_)) != 0) {
    LogWarning(path_, ": its end is torn; the next run cuts it off");
  }
  return status;
}

absl::Status Journal::Sync() {
  if (synced_) return absl::OkStatus();
  if (fdatasync(file_) != 0) return Failed(path_, "cannot sync");
  synced_ = true;
  return absl::OkStatus();
}

absl::Status Journal::WriteSorted(const std::string& path) const {
  const std::string part = path + ".part";
  const int file = open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file < 0) return Failed(part, "cannot open");
  absl::Status status;
  std::string piece, answer;
  uint64_t written = 0;
  const auto flush = [&] {
    status.Update(WriteAt(file, piece, written, part));
    written += piece.size();
    piece.clear();
  };
  for (const auto& [line, entry] : entries_) {
    if (!entry.current) continue;
    status.Update(ReadAt(file_, entry.offset, entry.bytes, path_, answer));
    absl::StrAppend(&piece, answer, "\n");
    if (piece.size() >= kPiece) flush();
    if (!status.ok()) break;
  }
  flush();
  if (status.ok() && fsync(file) != 0) status = Failed(part, "cannot sync");
  close(file);
  if (status.ok() && std::rename(part.c_str(), path.c_str()) != 0) {
    status = Failed(path, "cannot rename to it");
  }
  if (status.ok()) return SyncDirectoryOf(path);
  unlink(part.c_str());
  return status;
}

}  // namespace tern
