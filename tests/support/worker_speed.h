// SPDX-License-Identifier: MIT
// Speeds of workers that were never measured.
#ifndef TERN_TESTS_SUPPORT_WORKER_SPEED_H_
#define TERN_TESTS_SUPPORT_WORKER_SPEED_H_

#include <cstddef>

#include "partition/worker_profile.h"

namespace tern {

// Of a worker that multiplies so many ternary weights a second for one row, and does everything
// else at rates that go with it.
inline WorkerSpeed SpeedOf(double weights_per_second) {
  constexpr double kWeightsPerByte = 4;
  // Eight rows cost a little more than one, which waits for memory; from there on rows cost alike.
  constexpr RowSeconds kTernary = {{1, 2, 12, 96}};
  constexpr RowSeconds kDense = {{4, 10, 64, 512}};
  constexpr double kAttention = 4;
  const double second = 1e9 / weights_per_second;
  WorkerSpeed speed;
  for (size_t i = 0; i < kMeasuredRows.size(); ++i) {
    speed.ternary.seconds[i] = kTernary.seconds[i] * second;
    speed.dense.seconds[i] = kDense.seconds[i] * second;
  }
  speed.attention = kAttention * second;
  speed.attention_q8 = speed.attention;
  speed.read_bytes_per_second = weights_per_second / kWeightsPerByte;
  return speed;
}

}  // namespace tern

#endif  // TERN_TESTS_SUPPORT_WORKER_SPEED_H_
