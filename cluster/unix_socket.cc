// SPDX-License-Identifier: MIT
#include "cluster/unix_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <random>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/descriptor.h"
#include "base/log.h"

namespace tern {
namespace {

constexpr size_t kMostPathBytes = sizeof(sockaddr_un::sun_path) - 1;
constexpr char kNamePrefix[] = "tern-";
constexpr char kNameSuffix[] = ".sock";
// Between its making and its listening a socket refuses connections, too: no longer than this.
constexpr time_t kYoungSeconds = 60;

std::string RuntimeFolder() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  return runtime != nullptr && runtime[0] == '/' ? runtime : absl::StrCat("/tmp/tern-", getuid());
}

// Whether the file is a socket on which nobody has listened for a while. Asked of the socket, and
// not of the process in its name: a container has process ids of its own.
bool IsDeadSocket(const std::string& path) {
  struct stat info;
  if (path.size() > kMostPathBytes || lstat(path.c_str(), &info) != 0 || !S_ISSOCK(info.st_mode) ||
      info.st_mtime + kYoungSeconds > std::time(nullptr)) {
    return false;
  }
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, kMostPathBytes);
  const Descriptor client(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return client.is_open() &&
         connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 &&
         errno == ECONNREFUSED;
}

// Removes the sockets of processes that were killed.
void RemoveDeadSockets(const std::string& folder) {
  std::error_code ignored;  // what is not removed does no harm
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename();
    if (!absl::StartsWith(name, kNamePrefix) || !absl::EndsWith(name, kNameSuffix)) continue;
    if (IsDeadSocket(entry.path())) std::filesystem::remove(entry.path(), ignored);
  }
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
  RemoveDeadSockets(folder);
  std::random_device random;
  const std::string path =
      absl::StrCat(folder, "/", kNamePrefix, getpid(), "-", absl::Hex(random(), absl::kZeroPad8),
                   absl::Hex(random(), absl::kZeroPad8), kNameSuffix);
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
