// SPDX-License-Identifier: MIT
// The cluster's state as tern.v1.Cluster/GetStatus answers it.
#ifndef TERN_COORDINATOR_STATUS_WIRE_H_
#define TERN_COORDINATOR_STATUS_WIRE_H_

#include "coordinator/status.h"
#include "proto/cluster.pb.h"

namespace tern {

void FillStatus(const ClusterStatus& status, v1::GetStatusResponse& proto);

}  // namespace tern

#endif  // TERN_COORDINATOR_STATUS_WIRE_H_
