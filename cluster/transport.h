// SPDX-License-Identifier: MIT
// How frames get from one stage to the next. Implementations: inproc_transport.h (one process),
// grpc_transport.h (streams of ByteBuffers).
#ifndef TERN_CLUSTER_TRANSPORT_H_
#define TERN_CLUSTER_TRANSPORT_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cluster/frame.h"

namespace tern {

// One direction of one link. Thread-safe.
class FrameSender {
 public:
  // Closes the link; frames not yet sent may be lost.
  virtual ~FrameSender() = default;
  // Queues `frame` and returns at once. Frames arrive in order, each once, or the link breaks and
  // the failure callback given to Connect is called, once; later frames are dropped.
  virtual void Send(Frame frame) = 0;
};

// Called by transport threads; must not block for long.
using FrameHandler = std::function<void(Frame)>;
using LinkFailure = std::function<void(absl::Status)>;

// Connects to the receiver at an address. Thread-safe.
class Transport {
 public:
  virtual ~Transport() = default;
  // UNAVAILABLE if there is surely nobody; a link that breaks later calls `on_failure`.
  virtual absl::StatusOr<std::unique_ptr<FrameSender>> Connect(const std::string& address,
                                                               LinkFailure on_failure) = 0;
};

}  // namespace tern

#endif  // TERN_CLUSTER_TRANSPORT_H_
