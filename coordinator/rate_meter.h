// SPDX-License-Identifier: MIT
// How many of something a second, over the last ten seconds.
#ifndef TERN_COORDINATOR_RATE_METER_H_
#define TERN_COORDINATOR_RATE_METER_H_

#include <array>
#include <cstdint>

#include "absl/time/time.h"

namespace tern {

// Thread-compatible. Times never go back.
class RateMeter {
 public:
  void Count(uint64_t events, absl::Time now) {
    Forget(now);
    counts_[Slot(second_)] += events;
  }
  // Over ten whole seconds: less while it has not counted for so long.
  double PerSecond(absl::Time now) {
    Forget(now);
    uint64_t events = 0;
    for (const uint64_t count : counts_) events += count;
    return static_cast<double>(events) / kSeconds;
  }

 private:
  static constexpr int64_t kSeconds = 10;

  static size_t Slot(int64_t second) { return static_cast<size_t>(second % kSeconds); }
  // Empties the slots of the seconds since the last call.
  void Forget(absl::Time now) {
    const int64_t second = absl::ToUnixSeconds(now);
    if (second - second_ >= kSeconds) counts_ = {};
    for (; second_ < second; ++second_) {
      if (second - second_ > kSeconds) second_ = second - kSeconds;
      counts_[Slot(second_ + 1)] = 0;
    }
  }

  std::array<uint64_t, kSeconds> counts_ = {};
  int64_t second_ = 0;
};

}  // namespace tern

#endif  // TERN_COORDINATOR_RATE_METER_H_
