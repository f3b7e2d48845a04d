// SPDX-License-Identifier: MIT
// Takes links as gRPC streams of raw buffers (proto/stage.proto; docs/protocol.md, Links).
#ifndef TERN_CLUSTER_GRPC_RECEIVER_H_
#define TERN_CLUSTER_GRPC_RECEIVER_H_

#include <memory>

#include "cluster/link_sessions.h"

namespace grpc {
class Service;
}

namespace tern {

// Serves tern.v1.Stage. Must outlive the server that service() is registered with. Frames of one
// link are handed over in order, on gRPC's threads; the next is not read before the handler
// returns.
class GrpcReceiver {
 public:
  // `sessions` must outlive the receiver.
  explicit GrpcReceiver(LinkSessions& sessions);
  ~GrpcReceiver();

  grpc::Service* service();

 private:
  class Service;
  const std::unique_ptr<Service> service_;
};

}  // namespace tern

#endif  // TERN_CLUSTER_GRPC_RECEIVER_H_
