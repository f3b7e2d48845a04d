// SPDX-License-Identifier: MIT
// gRPC as all of Tern uses it: status codes, channels and servers with the same keepalive on both
// ends. Include from .cc files only: gRPC's headers are slow to compile.
#ifndef TERN_CLUSTER_GRPC_UTIL_H_
#define TERN_CLUSTER_GRPC_UTIL_H_

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cluster/address.h"

namespace tern {

// The codes are the same numbers.
absl::Status FromGrpc(const grpc::Status& status);
// The same, with the name of who answered before an error's message: "coordinator HOST:PORT: ...".
absl::Status FromGrpc(const grpc::Status& status, const std::string& peer);
grpc::Status ToGrpc(const absl::Status& status);

// A channel to a peer of the cluster. It notices within two seconds that the peer no longer
// answers, even if its connection stays open, as that of a stopped process does.
std::shared_ptr<grpc::Channel> ConnectTo(const std::string& address);

// A channel of a client to a coordinator, which may have thousands of those: it notices within
// twenty seconds.
std::shared_ptr<grpc::Channel> ConnectAsClient(const std::string& address);

struct ListeningServer {
  std::unique_ptr<grpc::Server> server;
  Address address;  // with the port that was chosen, if 0 was asked for
};

// Starts a server for `services`, which must outlive it. FAILED_PRECONDITION, with the system's
// reason, if it cannot listen at `address`.
absl::StatusOr<ListeningServer> Listen(const Address& address,
                                       const std::vector<grpc::Service*>& services);

}  // namespace tern

#endif  // TERN_CLUSTER_GRPC_UTIL_H_
