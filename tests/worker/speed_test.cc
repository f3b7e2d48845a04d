// SPDX-License-Identifier: MIT
#include "worker/speed.h"

#include "gtest/gtest.h"

namespace tern {
namespace {

TEST(SpeedTest, MeasuresNumbersThatAPlannerTakes) {
  const std::unique_ptr<ThreadPool> pool = ThreadPool::Create({.threads = 1, .cpus = {}}).value();
  const absl::StatusOr<WorkerSpeed> speed = MeasureSpeed(ChooseKernels().value(), *pool);
  ASSERT_TRUE(speed.ok()) << speed.status();
  const ClusterProfile cluster{{{"w", 1, *speed, FastLink()}}, {}};
  EXPECT_TRUE(Validate(cluster).ok()) << Validate(cluster);
  // The most that can be said of times without relying on them.
  EXPECT_GT(speed->ternary.For(512), 2 * speed->ternary.For(1));
  EXPECT_GT(speed->dense.For(512), 2 * speed->dense.For(1));
}

}  // namespace
}  // namespace tern
