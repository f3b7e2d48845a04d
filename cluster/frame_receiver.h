// SPDX-License-Identifier: MIT
// The receiving end of links between stages. Implementations: link_sessions.h (links over gRPC and
// unix sockets), mpi_transport.h.
#ifndef TERN_CLUSTER_FRAME_RECEIVER_H_
#define TERN_CLUSTER_FRAME_RECEIVER_H_

#include "cluster/frame_codec.h"
#include "cluster/transport.h"

namespace tern {

// Thread-safe. Accepts nothing until told to.
class FrameReceiver {
 public:
  virtual ~FrameReceiver() = default;

  // From now on links of epoch `limits.epoch` may be opened, and their frames, decoded within
  // `limits`, go to `handler`. Links opened before, of whatever epoch, are refused from now on.
  virtual void Accept(const FrameLimits& limits, FrameHandler handler) = 0;

  // From now on nothing is accepted. When it returns, no handler runs, nor ever will. Must not be
  // called by a handler.
  virtual void Refuse() = 0;

  // The first of the frames that were handed to the handler, and not yet taken off whatever queue
  // it put them into, has been taken: its sender is told, and may send one more. Does nothing
  // without a window (FrameLimits).
  virtual void Credit() = 0;
};

}  // namespace tern

#endif  // TERN_CLUSTER_FRAME_RECEIVER_H_
