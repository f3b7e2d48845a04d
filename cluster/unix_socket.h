// SPDX-License-Identifier: MIT
// Links between processes of one machine: where to listen, and how to connect.
#ifndef TERN_CLUSTER_UNIX_SOCKET_H_
#define TERN_CLUSTER_UNIX_SOCKET_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "cluster/transport.h"

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

// As NewUnixAddress; nothing, with a line in the log, if there can be none.
std::string NewUnixAddressOrNone();

// Connects to the socket at `unix_address` if there is one on this machine, and else, or if that
// fails, with a line in the log, to `address`. Errors of the latter.
absl::StatusOr<std::unique_ptr<FrameSender>> ConnectNear(Transport& transport,
                                                         const std::string& unix_address,
                                                         const std::string& address,
                                                         const LinkEvents& events);

}  // namespace tern

#endif  // TERN_CLUSTER_UNIX_SOCKET_H_
