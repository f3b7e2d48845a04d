// SPDX-License-Identifier: MIT
#include "bench/energy.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace tern {
namespace {

// A folder like powercap's.
class EnergyTest : public ::testing::Test {
 protected:
  ~EnergyTest() override { std::filesystem::remove_all(root_); }

  void Write(const std::string& zone, uint64_t microjoules) {
    std::filesystem::create_directories(root_ + "/" + zone);
    std::ofstream(root_ + "/" + zone + "/energy_uj") << microjoules << "\n";
    std::ofstream(root_ + "/" + zone + "/max_energy_range_uj") << 1'000'000'000 << "\n";
  }

  const std::string root_ = absl::StrCat(::testing::TempDir(), "/powercap_", getpid());
};

TEST_F(EnergyTest, AddsPackagesButNotTheirParts) {
  Write("intel-rapl:0", 1'000'000);
  Write("intel-rapl:1", 2'000'000);
  Write("intel-rapl:0:0", 3'000'000);
  EnergyMeter meter(root_);
  ASSERT_TRUE(meter.available());
  Write("intel-rapl:0", 2'500'000);
  Write("intel-rapl:1", 4'000'000);
  Write("intel-rapl:0:0", 9'000'000);
  EXPECT_DOUBLE_EQ(meter.Joules().value(), 3.5);
  meter.Start();
  EXPECT_EQ(meter.Joules(), 0);
}

TEST_F(EnergyTest, CountersThatWrap) {
  Write("intel-rapl:0", 999'000'000);
  EnergyMeter meter(root_);
  Write("intel-rapl:0", 2'000'000);
  EXPECT_DOUBLE_EQ(meter.Joules().value(), 3);
}

TEST_F(EnergyTest, NothingWhereNothingCanBeRead) {
  EXPECT_FALSE(EnergyMeter(root_).available());
  EXPECT_EQ(EnergyMeter(root_).Joules(), std::nullopt);
  Write("intel-rapl:0", 5);
  EnergyMeter meter(root_);
  std::filesystem::remove(root_ + "/intel-rapl:0/energy_uj");
  EXPECT_EQ(meter.Joules(), std::nullopt);
}

}  // namespace
}  // namespace tern
