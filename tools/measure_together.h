// SPDX-License-Identifier: MIT
// How fast processors compute now, while all of them do, as workers of one machine measure it.
#ifndef TERN_TOOLS_MEASURE_TOGETHER_H_
#define TERN_TOOLS_MEASURE_TOGETHER_H_

#include <vector>

#include "absl/status/statusor.h"
#include "partition/worker_profile.h"

namespace tern {

// [cpus], of one thread on each: worker/speed.h and, as the coordinator does, EvenOut. Takes some
// seconds. Errors of ThreadPool::Create and MeasureSpeed.
absl::StatusOr<std::vector<WorkerSpeed>> MeasureTogether(const std::vector<int>& cpus);

}  // namespace tern

#endif  // TERN_TOOLS_MEASURE_TOGETHER_H_
