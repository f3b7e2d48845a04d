// SPDX-License-Identifier: MIT
// How frames get from one stage to the next. Implementations: inproc_transport.h (one process),
// unix_transport.h (one machine), grpc_transport.h (any machines), mpi_transport.h (ranks).
#ifndef TERN_CLUSTER_TRANSPORT_H_
#define TERN_CLUSTER_TRANSPORT_H_

#include <cstdint>
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
  // Closes the link; frames not yet sent may be lost. Waits for callbacks, and none run after it:
  // it must not be called by one.
  virtual ~FrameSender() = default;
  // Queues `frame` and returns at once. Frames arrive in order, each once, or the link breaks and
  // LinkEvents::on_failure is called, once; later frames are dropped.
  virtual void Send(Frame frame) = 0;
};

// Called by transport threads; must not block for long.
using FrameHandler = std::function<void(Frame)>;

// What the owner of a sender is told, by transport threads; must not block for long. Each may be
// empty.
struct LinkEvents {
  std::function<void(absl::Status)> on_failure = {};
  // The receiver has taken `frames` frames of this link off its queue so far. Numbers only grow,
  // and some may be left out.
  std::function<void(uint64_t frames)> on_taken = {};
};

// Connects to the receiver at an address. Thread-safe.
class Transport {
 public:
  virtual ~Transport() = default;
  // UNAVAILABLE if there is surely nobody; a link that breaks later calls `on_failure`.
  virtual absl::StatusOr<std::unique_ptr<FrameSender>> Connect(const std::string& address,
                                                               LinkEvents events) = 0;
};

}  // namespace tern

#endif  // TERN_CLUSTER_TRANSPORT_H_
