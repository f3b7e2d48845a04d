// SPDX-License-Identifier: MIT
#include "tools/cluster_profile.h"

#include <chrono>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "cluster/address.h"
#include "cluster/grpc_util.h"
#include "cluster/join_wire.h"
#include "cluster/wire.h"
#include "proto/cluster.grpc.pb.h"

namespace tern {
namespace {

constexpr std::chrono::seconds kPatience(10);

}  // namespace

absl::StatusOr<ClusterProfile> ReadClusterProfile(const std::string& address) {
  TERN_ASSIGN_OR_RETURN(const Address peer, ParseAddress("--cluster", address));
  const std::unique_ptr<v1::Cluster::Stub> stub = v1::Cluster::NewStub(ConnectTo(peer.ToString()));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  v1::ListWorkersResponse response;
  TERN_RETURN_IF_ERROR(FromGrpc(stub->ListWorkers(&context, v1::ListWorkersRequest(), &response),
                                "coordinator " + address));
  ClusterProfile cluster;
  for (v1::Register& proto : *response.mutable_workers()) {
    v1::WorkerMessage message;
    *message.mutable_register_worker() = std::move(proto);
    TERN_ASSIGN_OR_RETURN(const WorkerMessage worker, FromProto(message));
    const auto& registration = std::get<RegisterWorker>(worker);
    cluster.workers.push_back({.name = registration.name,
                               .memory_bytes = registration.memory_bytes,
                               .speed = registration.speed,
                               .link = FastLink()});
  }
  for (const v1::WorkerLink& proto : response.links()) {
    TERN_ASSIGN_OR_RETURN(const LinkSpeed speed, ParseLinkSpeed(proto.speed()));
    cluster.pairs.push_back({proto.from(), proto.to(), speed});
  }
  TERN_RETURN_IF_ERROR(Validate(cluster));
  return cluster;
}

}  // namespace tern
