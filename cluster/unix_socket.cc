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

sockaddr_un SocketAddress(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, kMostPathBytes);
  return address;
}

const sockaddr* Generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

// Whether the file is a socket on which nobody has listened for a while. Asked of the socket, and
// not of the process in its name: a container has process ids of its own.
bool IsDeadSocket(const std::string& path) {
  struct stat info;
  if (path.size() > kMostPathBytes || lstat(path.c_str(), &info) != 0 || !S_ISSOCK(info.st_mode) ||
      info.st_mtime + kYoungSeconds > std::time(nullptr)) {
    return false;
  }
  const sockaddr_un address = SocketAddress(path);
  const Descriptor client(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return client.is_open() && connect(client.get(), Generic(address), sizeof(address)) != 0 &&
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

std::string PathOf(const std::string& unix_address) {
  return unix_address.substr(std::strlen(kUnixScheme));
}

bool IsSocketHere(const std::string& unix_address) {
  struct stat info;
  return lstat(PathOf(unix_address).c_str(), &info) == 0 && S_ISSOCK(info.st_mode);
}

absl::StatusOr<Descriptor> ListenUnix(const std::string& unix_address, int backlog) {
  const std::string path = PathOf(unix_address);
  const sockaddr_un address = SocketAddress(path);
  Descriptor listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!listener.is_open() || bind(listener.get(), Generic(address), sizeof(address)) != 0 ||
      chmod(path.c_str(), 0600) != 0 || listen(listener.get(), backlog) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot listen on ", path, ": ", std::strerror(errno)));
  }
  return listener;
}

absl::StatusOr<Descriptor> ConnectUnix(const std::string& unix_address, absl::Duration limit) {
  const timeval timeout = absl::ToTimeval(limit);
  const sockaddr_un address = SocketAddress(PathOf(unix_address));
  Descriptor client(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  // A listener that takes nobody, as a stopped process, lets others wait once its queue is full.
  if (!client.is_open() ||
      setsockopt(client.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) != 0 ||
      connect(client.get(), Generic(address), sizeof(address)) != 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot connect to ", unix_address, ": ", std::strerror(errno)));
  }
  return client;
}

}  // namespace tern
