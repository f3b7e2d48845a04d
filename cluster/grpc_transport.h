// SPDX-License-Identifier: MIT
// Links between stages as gRPC streams of raw buffers (proto/stage.proto; docs/protocol.md, Links).
#ifndef TERN_CLUSTER_GRPC_TRANSPORT_H_
#define TERN_CLUSTER_GRPC_TRANSPORT_H_

#include <cstdint>
#include <memory>
#include <string>

#include "cluster/frame.h"
#include "cluster/transport.h"

namespace tern {

// Opens links of one epoch. Activations are sent from where they lie, without a copy, unless
// they travel as bf16.
class GrpcTransport final : public Transport {
 public:
  explicit GrpcTransport(uint64_t epoch, WireType wire = WireType::kF32)
      : epoch_(epoch), wire_(wire) {}

  // Waits until the receiver has accepted the link, so that a wrong address or epoch shows now and
  // not with the first step; a few seconds at most. UNAVAILABLE, naming the address, if nobody
  // answers; FAILED_PRECONDITION if the receiver refuses.
  absl::StatusOr<std::unique_ptr<FrameSender>> Connect(const std::string& address,
                                                       LinkEvents events) override;

 private:
  const uint64_t epoch_;
  const WireType wire_;
};

}  // namespace tern

#endif  // TERN_CLUSTER_GRPC_TRANSPORT_H_
