// SPDX-License-Identifier: MIT
// The structs of cluster/messages.h to and from protobuf. What comes from the wire is validated
// here: sizes, ranges, names and digests; beyond this file nothing is optional or unchecked.
// (Versions are compared by cluster/membership.h, which answers with a refusal that names both.)
#ifndef TERN_CLUSTER_WIRE_H_
#define TERN_CLUSTER_WIRE_H_

#include "absl/status/statusor.h"
#include "cluster/messages.h"
#include "proto/cluster.pb.h"

namespace tern {

v1::WorkerMessage ToProto(const WorkerMessage& message);
v1::CoordinatorMessage ToProto(const CoordinatorMessage& message);

// INVALID_ARGUMENT, naming the field, what was found and what is allowed.
absl::StatusOr<WorkerMessage> FromProto(const v1::WorkerMessage& proto);
absl::StatusOr<CoordinatorMessage> FromProto(const v1::CoordinatorMessage& proto);

}  // namespace tern

#endif  // TERN_CLUSTER_WIRE_H_
