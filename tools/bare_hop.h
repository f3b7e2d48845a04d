// SPDX-License-Identifier: MIT
// The machine's own limit of a link between processes: a socket and two threads.
#ifndef TERN_TOOLS_BARE_HOP_H_
#define TERN_TOOLS_BARE_HOP_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace tern {

struct BareHopOptions {
  bool tcp = false;      // over loopback; else a unix socket
  size_t bytes = 0;      // of a hop, at least 1
  absl::Duration pause;  // that each thread computes before it sends: so long the other sleeps
  uint32_t hops = 40;
  std::vector<int> cpus;  // two, of the two threads
};

// Seconds from before a thread writes until another, which waited in recv(2) for as long as the
// first computed, has it all: the median. As between stages of a token that is alone, but with
// nothing beside the sockets. The system's error for what it refuses; errors of
// ThreadPool::Create.
absl::StatusOr<double> BareHopSeconds(const BareHopOptions& options);

}  // namespace tern

#endif  // TERN_TOOLS_BARE_HOP_H_
