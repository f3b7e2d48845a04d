// SPDX-License-Identifier: MIT
// Counts values by size, for those who want to see how they are spread.
#ifndef TERN_BASE_HISTOGRAM_H_
#define TERN_BASE_HISTOGRAM_H_

#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "base/mutex.h"

namespace tern {

// Of durations from a millisecond to a minute, in seconds: a step, a token, a request. Thread-safe.
class Histogram {
 public:
  struct Snapshot {
    std::vector<double> bounds;    // ascending, seconds
    std::vector<uint64_t> counts;  // [bounds + 1]: of those up to each bound, and beyond the last
    double sum = 0;                // seconds

    uint64_t count() const;
  };

  Histogram();

  void Add(absl::Duration duration) ABSL_LOCKS_EXCLUDED(mu_);
  Snapshot snapshot() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  mutable Mutex mu_;
  Snapshot data_ ABSL_GUARDED_BY(mu_);
};

}  // namespace tern

#endif  // TERN_BASE_HISTOGRAM_H_
