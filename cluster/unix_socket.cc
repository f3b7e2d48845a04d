// SPDX-License-Identifier: MIT
#include "cluster/unix_socket.h"

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <random>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"

namespace tern {
namespace {

constexpr size_t kMostPathBytes = sizeof(sockaddr_un::sun_path) - 1;

std::string RuntimeFolder() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  return runtime != nullptr && runtime[0] == '/' ? runtime : absl::StrCat("/tmp/tern-", getuid());
}

}  // namespace

bool IsUnixAddress(const std::string& address) {
  const size_t scheme = std::strlen(kUnixScheme);
  return absl::StartsWith(address, absl::StrCat(kUnixScheme, "/")) &&
         address.size() - scheme <= kMostPathBytes &&
         std::none_of(address.begin(), address.end(),
                      [](unsigned char c) { return absl::ascii_iscntrl(c); });
}

absl::StatusOr<std::string> NewUnixAddress() {
  const std::string folder = RuntimeFolder();
  mkdir(folder.c_str(), 0700);
  struct stat info;
  if (lstat(folder.c_str(), &info) != 0 || !S_ISDIR(info.st_mode) || info.st_uid != getuid() ||
      (info.st_mode & 077) != 0) {
    return absl::FailedPreconditionError(absl::StrCat(folder, ": not a folder of this user alone"));
  }
  std::random_device random;
  const std::string path =
      absl::StrCat(folder, "/tern-", getpid(), "-", absl::Hex(random(), absl::kZeroPad8),
                   absl::Hex(random(), absl::kZeroPad8), ".sock");
  if (path.size() > kMostPathBytes) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, ": found ", path.size(), " bytes, want at most ", kMostPathBytes, " for a socket"));
  }
  return absl::StrCat(kUnixScheme, path);
}

std::string NewUnixAddressOrNone() {
  const absl::StatusOr<std::string> address = NewUnixAddress();
  if (address.ok()) return *address;
  LogWarning("no unix socket: ", address.status().message());
  return "";
}

absl::StatusOr<std::unique_ptr<FrameSender>> ConnectNear(Transport& transport,
                                                         const std::string& unix_address,
                                                         const std::string& address,
                                                         const LinkEvents& events) {
  if (IsUnixAddress(unix_address)) {
    const std::string path = unix_address.substr(std::strlen(kUnixScheme));
    struct stat info;
    if (lstat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode)) {
      absl::StatusOr<std::unique_ptr<FrameSender>> sender = transport.Connect(unix_address, events);
      if (sender.ok()) return sender;
      LogWarning("link over ", address, " instead: ", sender.status().message());
    }
  }
  return transport.Connect(address, events);
}

}  // namespace tern
