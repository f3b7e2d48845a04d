// SPDX-License-Identifier: MIT
// How fast this machine multiplies: what the planner shares layers out by.
#ifndef TERN_WORKER_SPEED_H_
#define TERN_WORKER_SPEED_H_

#include "base/thread_pool.h"
#include "kernels/registry.h"

namespace tern {

// Ternary weights multiplied a second for one row, by all threads of `pool` together: the rate of
// decoding, which reads every weight from memory once a token. Takes a fifth of a second or so.
double MeasureWeightsPerSecond(const Kernels& kernels, ThreadPool& pool);

}  // namespace tern

#endif  // TERN_WORKER_SPEED_H_
