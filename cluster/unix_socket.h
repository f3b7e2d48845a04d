// SPDX-License-Identifier: MIT
// Unix sockets, over which processes of one machine are linked: their addresses, and how to listen
// and connect there.
#ifndef TERN_CLUSTER_UNIX_SOCKET_H_
#define TERN_CLUSTER_UNIX_SOCKET_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/descriptor.h"

namespace tern {

// "unix:" and a path, as gRPC writes addresses.
inline constexpr char kUnixScheme[] = "unix:";

// Whether an address is one of a unix socket: an absolute path that fits into one, without control
// characters.
bool IsUnixAddress(const std::string& address);

// An address for a socket, "unix:" and a path `tern-<pid>-<random>.sock` in ${XDG_RUNTIME_DIR}, or
// in /tmp/tern-<uid>, which is made: whoever finds that path has the listener on his machine. Such
// sockets there whose listeners are gone, killed before they could remove them, are removed.
// FAILED_PRECONDITION if the folder is not this user's alone, or the path is too long.
absl::StatusOr<std::string> NewUnixAddress();

// Of an address of a unix socket (IsUnixAddress).
std::string PathOf(const std::string& unix_address);

// Whether there is such a socket on this machine, in this file system.
bool IsSocketHere(const std::string& unix_address);

// A socket that listens at the address, for this user alone. FAILED_PRECONDITION, with the system's
// reason.
absl::StatusOr<Descriptor> ListenUnix(const std::string& unix_address, int backlog);

// A connection to the address. Neither this nor a send that blocks waits for longer than `limit`.
// UNAVAILABLE, naming it, with the system's reason.
absl::StatusOr<Descriptor> ConnectUnix(const std::string& unix_address,
                                       absl::Duration limit = absl::Seconds(5));

}  // namespace tern

#endif  // TERN_CLUSTER_UNIX_SOCKET_H_
