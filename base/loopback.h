// SPDX-License-Identifier: MIT
// TCP sockets between processes, or threads, of this machine alone.
#ifndef TERN_BASE_LOOPBACK_H_
#define TERN_BASE_LOOPBACK_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "base/descriptor.h"

namespace tern {

// A socket that is closed on exec and sends what it has at once, as do those that it accepts.
// `flags` are further ones of socket(2). The system's error if there is none.
absl::StatusOr<Descriptor> NewTcpSocket(int flags = 0);

// Lets the socket listen on 127.0.0.1, at a port that the system chooses: that port. The system's
// error if it cannot.
absl::StatusOr<uint16_t> ListenOnLoopback(const Descriptor& listener);

// As connect(2), to 127.0.0.1:PORT: 0, or -1 and errno.
int ConnectToLoopback(const Descriptor& client, uint16_t port);

}  // namespace tern

#endif  // TERN_BASE_LOOPBACK_H_
