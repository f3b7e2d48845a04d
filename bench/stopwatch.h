// SPDX-License-Identifier: MIT
// Time that passes, by a clock that nobody sets.
#ifndef TERN_BENCH_STOPWATCH_H_
#define TERN_BENCH_STOPWATCH_H_

#include <chrono>

#include "absl/time/time.h"

namespace tern {

// Runs from its construction. Thread-compatible.
class Stopwatch {
 public:
  absl::Duration Elapsed() const { return absl::FromChrono(Clock::now() - start_); }
  double Seconds() const { return absl::ToDoubleSeconds(Elapsed()); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

}  // namespace tern

#endif  // TERN_BENCH_STOPWATCH_H_
