// SPDX-License-Identifier: MIT
#include "partition/worker_profile.h"

#include <gtest/gtest.h>

#include "tests/support/worker_speed.h"

namespace tern {
namespace {

TEST(EvenOutTest, WorkersThatDifferByNoiseGetTheBestOfBoth) {
  WorkerSpeed a = SpeedOf(30e9), b = SpeedOf(20e9);
  b.dense.seconds[2] = a.dense.seconds[2] / 1.2;
  b.attention = a.attention * 3;  // a small difference of large times: says nothing
  WorkerSpeed best = a;
  best.dense.seconds[2] = b.dense.seconds[2];
  EvenOut(b, a);
  EXPECT_EQ(a, best);
  EXPECT_EQ(b, best);
}

TEST(EvenOutTest, WorkersOfOtherProcessorsKeepTheirNumbers) {
  const WorkerSpeed fast = SpeedOf(30e9), slow = SpeedOf(16e9);
  WorkerSpeed a = fast, b = slow;
  EvenOut(a, b);
  EXPECT_EQ(a, fast);
  EXPECT_EQ(b, slow);
  // One kind of step is enough.
  b = a;
  b.ternary.seconds[3] *= 2;
  const WorkerSpeed one = b;
  EvenOut(a, b);
  EXPECT_EQ(b, one);
}

TEST(EvenOutTest, ASpeedThatNobodyMeasuredChangesNothing) {
  WorkerSpeed known = SpeedOf(30e9), unknown;
  EvenOut(known, unknown);
  EXPECT_EQ(known, SpeedOf(30e9));
  EXPECT_EQ(unknown, WorkerSpeed());
}

}  // namespace
}  // namespace tern
