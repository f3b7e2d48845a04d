// SPDX-License-Identifier: MIT
// How fast this machine computes: what the planner shares layers out by.
#ifndef TERN_WORKER_SPEED_H_
#define TERN_WORKER_SPEED_H_

#include "absl/status/statusor.h"
#include "base/thread_pool.h"
#include "kernels/registry.h"
#include "partition/worker_profile.h"

namespace tern {

// Runs layers and a head as wide as those of a 2B model, for a step of each of kMeasuredRows, with
// all threads of `pool`, with the kernels that a stage would get and weights that come from memory;
// and reads memory. Takes a second or two and some 400 MB; slow machines are not asked for the
// larger steps, which then count in proportion. Errors of loading a model.
absl::StatusOr<WorkerSpeed> MeasureSpeed(const Kernels& kernels, ThreadPool& pool);

}  // namespace tern

#endif  // TERN_WORKER_SPEED_H_
