// SPDX-License-Identifier: MIT
// tern.v1.Cluster: workers join.
#ifndef TERN_COORDINATOR_CLUSTER_SERVICE_H_
#define TERN_COORDINATOR_CLUSTER_SERVICE_H_

#include <functional>
#include <memory>

#include "coordinator/controller.h"
#include "coordinator/status.h"

namespace grpc {
class Service;
}

namespace tern {

// `status` is called for GetStatus, from several threads. The controller must outlive the service,
// and the service the server that it is registered with.
std::unique_ptr<grpc::Service> MakeClusterService(Controller& controller,
                                                  std::function<ClusterStatus()> status);

}  // namespace tern

#endif  // TERN_COORDINATOR_CLUSTER_SERVICE_H_
