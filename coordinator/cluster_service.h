// SPDX-License-Identifier: MIT
// tern.v1.Cluster: workers join, and fetch the tensors that they lack.
#ifndef TERN_COORDINATOR_CLUSTER_SERVICE_H_
#define TERN_COORDINATOR_CLUSTER_SERVICE_H_

#include <memory>

#include "cluster/messages.h"
#include "coordinator/controller.h"
#include "formats/tensor.h"

namespace grpc {
class Service;
}

namespace tern {

// Serves the tensors of `manifest` from `source`. All arguments must outlive the service, and the
// service the server that it is registered with.
std::unique_ptr<grpc::Service> MakeClusterService(Controller& controller,
                                                  const ModelManifest& manifest,
                                                  const TensorSource& source);

}  // namespace tern

#endif  // TERN_COORDINATOR_CLUSTER_SERVICE_H_
