// SPDX-License-Identifier: MIT
// How a thread that must poll waits between polls: MPI tells nobody when a message is there.
#ifndef TERN_CLUSTER_POLL_BACKOFF_H_
#define TERN_CLUSTER_POLL_BACKOFF_H_

#include "absl/time/time.h"

namespace tern {

struct PollPause {
  enum class Kind { kSpin, kYield, kSleep };
  Kind kind = Kind::kSpin;
  absl::Duration sleep;  // of kSleep
};

// The pause after polls found nothing for `quiet`. Spinning catches what comes back at once, and
// ends before it costs a neighbour its time slice; a thread that computes on the same core needs
// the sleeps. `in_flight`: something is on its way for sure, so that it is worth looking often.
inline PollPause PauseAfter(absl::Duration quiet, bool in_flight) {
  if (quiet < absl::Microseconds(20)) return {PollPause::Kind::kSpin, absl::ZeroDuration()};
  if (quiet < absl::Microseconds(100)) return {PollPause::Kind::kYield, absl::ZeroDuration()};
  const bool fresh = quiet < absl::Milliseconds(100);
  return {PollPause::Kind::kSleep,
          fresh || in_flight ? absl::Microseconds(50) : absl::Milliseconds(1)};
}

}  // namespace tern

#endif  // TERN_CLUSTER_POLL_BACKOFF_H_
