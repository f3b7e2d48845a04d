// SPDX-License-Identifier: MIT
// Time that never jumps, for leases and timeouts.
#ifndef TERN_CLUSTER_CLOCK_H_
#define TERN_CLUSTER_CLOCK_H_

#include <chrono>

#include "absl/time/time.h"

namespace tern {

// The system's monotonic clock as an absl::Time. Only differences mean something.
inline absl::Time MonotonicNow() {
  return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace tern

#endif  // TERN_CLUSTER_CLOCK_H_
