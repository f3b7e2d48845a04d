// SPDX-License-Identifier: MIT
#include "worker/speed.h"

#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string>

#include "gtest/gtest.h"
#include "worker/known_speed.h"

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

TEST(KnownSpeedTest, RemembersForAWeekWhatWasMeasuredInTheSamePlace) {
  const std::string folder = ::testing::TempDir() + "known_speed." + std::to_string(getpid());
  const Kernels kernels = ChooseKernels().value();
  Topology machine;
  const KnownSpeed here(folder, machine, {0, 1}, kernels, 2);
  WorkerSpeed speed;
  speed.ternary.seconds = {0.1, 0.2, 1.0 / 3, 4};
  speed.dense.seconds = {0.5, 0.6, 0.7, 8};
  speed.attention = 0.9;
  speed.attention_q8 = 0.7;
  speed.read_bytes_per_second = 1e10;
  const absl::Time now = absl::FromUnixSeconds(1'000'000'000);
  EXPECT_EQ(here.Find(now), std::nullopt);
  here.Keep(speed, now);
  EXPECT_EQ(here.Find(now + absl::Hours(167)), speed);
  EXPECT_EQ(here.Find(now + absl::Hours(169)), std::nullopt) << "too old";
  EXPECT_EQ(here.Find(now - absl::Hours(1)), std::nullopt) << "the clock was set";
  EXPECT_EQ(KnownSpeed(folder, machine, {0}, kernels, 2).Find(now), std::nullopt);
  EXPECT_EQ(KnownSpeed(folder, machine, {0, 1}, kernels, 1).Find(now), std::nullopt);
  machine.processor_quota = 0.5;
  EXPECT_EQ(KnownSpeed(folder, machine, {0, 1}, kernels, 2).Find(now), std::nullopt);
  speed.dense.seconds[3] = 0;
  here.Keep(speed, now);
  EXPECT_EQ(here.Find(now), std::nullopt) << "no speed";
  std::filesystem::remove_all(folder);
}

TEST(KnownSpeedTest, KeepsNothingWithoutAFolder) {
  const KnownSpeed nowhere("", Topology(), {}, ChooseKernels().value(), 1);
  nowhere.Keep({}, absl::UnixEpoch());
  EXPECT_EQ(nowhere.Find(absl::UnixEpoch()), std::nullopt);
}

}  // namespace
}  // namespace tern
