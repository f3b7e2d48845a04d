// SPDX-License-Identifier: MIT
// Times the way to another worker with tern.v1.Stage/Probe.
#ifndef TERN_CLUSTER_MEASURE_LINK_H_
#define TERN_CLUSTER_MEASURE_LINK_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "partition/worker_profile.h"

namespace tern {

// From here to the worker at `address`: half a round trip of nothing, and what a megabyte takes
// beyond it. Takes a second or two at most, whatever the link. UNAVAILABLE or DEADLINE_EXCEEDED if
// the worker cannot be reached, CANCELLED soon after `cancelled` answers true.
absl::StatusOr<LinkSpeed> MeasureLink(const std::string& address,
                                      const std::function<bool()>& cancelled);

}  // namespace tern

#endif  // TERN_CLUSTER_MEASURE_LINK_H_
