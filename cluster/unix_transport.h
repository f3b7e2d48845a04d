// SPDX-License-Identifier: MIT
// Links to processes of this machine over unix sockets (docs/protocol.md, Links): a frame goes out
// on the thread that sends it, and nothing but the system is between it and the receiver.
#ifndef TERN_CLUSTER_UNIX_TRANSPORT_H_
#define TERN_CLUSTER_UNIX_TRANSPORT_H_

#include <cstdint>
#include <memory>
#include <string>

#include "cluster/frame.h"
#include "cluster/transport.h"

namespace tern {

// Opens links of one epoch to addresses of unix sockets (cluster/unix_socket.h).
class UnixTransport final : public Transport {
 public:
  explicit UnixTransport(uint64_t epoch, WireType wire = WireType::kF32)
      : epoch_(epoch), wire_(wire) {}

  // Waits until the receiver has accepted the link; a few seconds at most. UNAVAILABLE, naming the
  // address, if nobody answers; FAILED_PRECONDITION if the receiver refuses.
  absl::StatusOr<std::unique_ptr<FrameSender>> Connect(const std::string& address,
                                                       LinkEvents events) override;

 private:
  const uint64_t epoch_;
  const WireType wire_;
};

// Connects by `near` if there is a socket at `unix_address` on this machine, and else, or if that
// fails, with a line in the log, by `far` to `address`. Errors of the latter.
absl::StatusOr<std::unique_ptr<FrameSender>> ConnectNear(UnixTransport near,
                                                         const std::string& unix_address,
                                                         Transport& far, const std::string& address,
                                                         const LinkEvents& events);

}  // namespace tern

#endif  // TERN_CLUSTER_UNIX_TRANSPORT_H_
