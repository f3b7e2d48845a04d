// SPDX-License-Identifier: MIT
// A machine's speed, measured once and remembered: a worker that starts again is ready at once.
#ifndef TERN_WORKER_KNOWN_SPEED_H_
#define TERN_WORKER_KNOWN_SPEED_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/thread_pool.h"
#include "base/topology.h"
#include "kernels/registry.h"
#include "partition/worker_profile.h"

namespace tern {

// What was measured on these processors of this machine by this build, with as many threads and the
// same kernels. Kept for a week: another program may have been in the way.
//
// Thread-compatible.
class KnownSpeed {
 public:
  // Notes are kept in a folder of `cache_directory`, which is made when something is kept; empty:
  // nothing is. `cpus` are what the threads are pinned to.
  KnownSpeed(const std::string& cache_directory, const Topology& topology,
             const std::vector<int>& cpus, const Kernels& kernels, size_t threads);

  // Nothing if it is not known, or no longer.
  std::optional<WorkerSpeed> Find(absl::Time now) const;
  void Keep(const WorkerSpeed& speed, absl::Time now) const;

 private:
  const std::string directory_;
  const std::string name_;
};

struct SpeedOrigin {
  WorkerSpeed speed;
  bool is_remembered = false;
};

// The speed that `known` has, unless `again`; else measured (MeasureSpeed, with its errors) and
// kept.
absl::StatusOr<SpeedOrigin> FindOrMeasureSpeed(const KnownSpeed& known, bool again,
                                               const Kernels& kernels, ThreadPool& pool);

}  // namespace tern

#endif  // TERN_WORKER_KNOWN_SPEED_H_
