// SPDX-License-Identifier: MIT
// What both ends of a link over gRPC agree on (docs/protocol.md, Links). For grpc_transport.cc and
// grpc_receiver.cc.
#ifndef TERN_CLUSTER_GRPC_LINK_H_
#define TERN_CLUSTER_GRPC_LINK_H_

namespace tern {

inline constexpr char kLinkMethod[] = "/tern.v1.Stage/Link";
// Metadata, decimal: of the sender, and of the receiver.
inline constexpr char kEpochKey[] = "tern-epoch";
inline constexpr char kProtocolKey[] = "tern-protocol";
inline constexpr char kWindowKey[] = "tern-window";

}  // namespace tern

#endif  // TERN_CLUSTER_GRPC_LINK_H_
