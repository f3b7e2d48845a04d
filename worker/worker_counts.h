// SPDX-License-Identifier: MIT
// What a worker counts while it lives, whatever stages it has.
#ifndef TERN_WORKER_WORKER_COUNTS_H_
#define TERN_WORKER_WORKER_COUNTS_H_

#include <atomic>
#include <cstdint>

#include "base/histogram.h"

namespace tern {

// Thread-safe.
struct WorkerCounts {
  Histogram step_times;
  std::atomic<uint64_t> bytes_from_coordinator{0};  // of weights
  std::atomic<uint64_t> bytes_from_peers{0};
  std::atomic<uint64_t> epoch{0};  // of the stage that it serves; 0: none
};

}  // namespace tern

#endif  // TERN_WORKER_WORKER_COUNTS_H_
