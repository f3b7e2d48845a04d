// SPDX-License-Identifier: MIT
#include "cluster/cache_lease.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace tern {
namespace {

std::string FolderOf(const std::string& directory) { return directory + "/in-use"; }

absl::Status SystemError(const std::string& path, const char* what) {
  return absl::UnknownError(absl::StrCat(path, ": cannot ", what, ": ", std::strerror(errno)));
}

// Whether whoever wrote the lease is gone; else its names are added.
bool HasEnded(const std::string& path, absl::flat_hash_set<std::string>& names) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return false;
  const bool ended = flock(fd, LOCK_SH | LOCK_NB) == 0;
  close(fd);
  if (ended) return true;
  std::ifstream file(path);
  for (std::string name; std::getline(file, name);) names.insert(std::move(name));
  return false;
}

}  // namespace

absl::StatusOr<std::unique_ptr<CacheLease>> CacheLease::Take(const std::string& directory,
                                                             std::span<const std::string> names) {
  std::error_code error;
  std::filesystem::create_directories(FolderOf(directory), error);
  if (error) {
    return absl::UnknownError(
        absl::StrCat(FolderOf(directory), ": cannot create: ", error.message()));
  }
  const std::string text = absl::StrCat(absl::StrJoin(names, "\n"), "\n");
  // Until it is locked another process may take it for one that ended, and remove it: once more.
  while (true) {
    std::string path = FolderOf(directory) + "/XXXXXX";
    const int fd = mkostemp(path.data(), O_CLOEXEC);
    if (fd < 0) return SystemError(path, "create");
    std::unique_ptr<CacheLease> lease(new CacheLease(path, fd));
    if (write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
      return SystemError(path, "write");
    }
    if (flock(fd, LOCK_EX) != 0) return SystemError(path, "lock");
    struct stat info;
    if (fstat(fd, &info) == 0 && info.st_nlink > 0) return lease;
  }
}

CacheLease::~CacheLease() {
  unlink(path_.c_str());
  close(fd_);
}

absl::flat_hash_set<std::string> CacheLease::NamesInUse(const std::string& directory) {
  absl::flat_hash_set<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(FolderOf(directory), error)) {
    if (HasEnded(entry.path().string(), names)) unlink(entry.path().c_str());
  }
  return names;
}

}  // namespace tern
