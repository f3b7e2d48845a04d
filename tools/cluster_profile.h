// SPDX-License-Identifier: MIT
// What a running cluster's workers measured of themselves.
#ifndef TERN_TOOLS_CLUSTER_PROFILE_H_
#define TERN_TOOLS_CLUSTER_PROFILE_H_

#include <string>

#include "absl/status/statusor.h"
#include "partition/worker_profile.h"

namespace tern {

// Asks the coordinator at `address`, "HOST:PORT". Links that were not probed count as fast.
// UNAVAILABLE if it does not answer; INVALID_ARGUMENT for an address or an answer that cannot be.
absl::StatusOr<ClusterProfile> ReadClusterProfile(const std::string& address);

}  // namespace tern

#endif  // TERN_TOOLS_CLUSTER_PROFILE_H_
