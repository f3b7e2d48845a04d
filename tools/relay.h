// SPDX-License-Identifier: MIT
// A network link of a given speed between processes of one machine: connections to it go on to
// another port, no faster than over a wire of that speed. `tern bench cluster` puts it between
// workers.
#ifndef TERN_TOOLS_RELAY_H_
#define TERN_TOOLS_RELAY_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/mutex.h"

namespace tern {

// When bytes are through a wire that carries them one after the other, at one rate. Knows no clock:
// times are what the caller says. Thread-safe.
class WireTimes {
 public:
  // REQUIRES a positive rate.
  explicit WireTimes(double bytes_per_second) : bytes_per_second_(bytes_per_second) {}

  // `bytes` that have come at `came` queue up behind all those of earlier calls: when the last of
  // them is through. An idle wire saves nothing up for later.
  absl::Time Carry(absl::Time came, size_t bytes) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  const double bytes_per_second_;
  Mutex mu_;
  absl::Time free_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();  // from when on
};

// All connections share the rate, which each direction has for itself, as they would share a
// network card. The wire adds no latency but the time that bytes take; what it does not take yet
// waits in sockets, whose buffers are bounded, and then the sender waits. A thread a direction of a
// connection. Thread-compatible.
class Relay {
 public:
  // Listens on 127.0.0.1, at a port that the system chooses. The system's error if it cannot.
  // REQUIRES a positive rate.
  static absl::StatusOr<std::unique_ptr<Relay>> Listen(double bytes_per_second);

  // Breaks all connections, at once.
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  // "127.0.0.1:PORT" where it listens.
  std::string address() const;
  uint16_t port() const;

  // Begins to pass connections on, to `port` of this machine; those that came before have waited.
  // One whose target cannot be reached is closed, with a line in the log. May be called once.
  void SetTarget(uint16_t port);

 private:
  class Impl;
  explicit Relay(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace tern

#endif  // TERN_TOOLS_RELAY_H_
