// SPDX-License-Identifier: MIT
// What is there and allowed (base/topology.h, base/control_group.h), and wishes for some of it
// (base/cpuset.h).
#include "base/topology.h"

#include <sched.h>
#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/affinity.h"
#include "base/control_group.h"
#include "base/cpuset.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tern {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint64_t kGiB = uint64_t{1} << 30;

// Two packages of two NUMA nodes of two cores with two hardware threads each.
class SyntheticTopologyTest : public testing::Test {
 protected:
  void SetUp() override {
    setenv("HWLOC_SYNTHETIC",
           "pack:2 numa:2(memory=4294967296) l3:1 l2:1(size=1048576) core:2 pu:2", 1);
    auto detected = DetectTopology();
    ASSERT_TRUE(detected.ok()) << detected.status();
    topology_ = *detected;
  }
  void TearDown() override { unsetenv("HWLOC_SYNTHETIC"); }

  Topology topology_;
};

TEST_F(SyntheticTopologyTest, CountsWhatIsThere) {
  EXPECT_EQ(topology_.packages, 2);
  EXPECT_EQ(topology_.l3_groups, 4);
  ASSERT_EQ(topology_.nodes.size(), 4u);
  EXPECT_EQ(topology_.nodes[3].number, 3);
  EXPECT_EQ(topology_.nodes[3].memory_bytes, 4 * kGiB);
  ASSERT_EQ(topology_.cores.size(), 8u);
  EXPECT_THAT(topology_.cores[3].cpus, ElementsAre(6, 7));
  EXPECT_EQ(topology_.cores[3].numa_node, 1);
  EXPECT_EQ(topology_.cores[3].l3_group, 1);
  EXPECT_EQ(topology_.l2_bytes, 524288u);  // two cores share one
  EXPECT_GT(topology_.l3_bytes, 0u);
}

TEST_F(SyntheticTopologyTest, KnowsTheNodeOfProcessors) {
  EXPECT_EQ(topology_.NodeOf({4, 6}), 1);
  EXPECT_EQ(topology_.NodeOf({15}), 3);
  EXPECT_EQ(topology_.NodeOf({3, 4}), -1);
  EXPECT_EQ(topology_.NodeOf({}), -1);
}

TEST_F(SyntheticTopologyTest, MemoryGoesWithTheCores) {
  EXPECT_EQ(topology_.MemoryBeside({}), topology_.memory_bytes);
  EXPECT_EQ(topology_.MemoryBeside({4, 6}), 4 * kGiB);
  EXPECT_EQ(topology_.MemoryBeside({4}), 2 * kGiB);
  EXPECT_EQ(topology_.MemoryBeside({4, 5}), 2 * kGiB);
  EXPECT_EQ(topology_.MemoryBeside({3, 4, 6}), 6 * kGiB);
  // A limit on all of it is shared out, too.
  topology_.memory_bytes = topology_.memory_limit_bytes = 8 * kGiB;
  EXPECT_EQ(topology_.MemoryBeside({}), 8 * kGiB);
  EXPECT_EQ(topology_.MemoryBeside({4, 6}), 2 * kGiB);
}

TEST_F(SyntheticTopologyTest, SaysWhatItIs) {
  EXPECT_THAT(topology_.ToString(), HasSubstr("2 packages, 4 NUMA nodes, 8 cores, "));
  topology_.processor_quota = 1.5;
  EXPECT_THAT(topology_.ToString(), HasSubstr(", a quota of 1.5 processors"));
}

TEST_F(SyntheticTopologyTest, AutoTakesOneThreadOfEachCore) {
  EXPECT_THAT(ParseCpuset("auto", topology_).value(), ElementsAre(0, 2, 4, 6, 8, 10, 12, 14));
}

TEST_F(SyntheticTopologyTest, ListsAndNone) {
  EXPECT_THAT(ParseCpuset("0-2,5", topology_).value(), ElementsAre(0, 1, 2, 5));
  EXPECT_THAT(ParseCpuset("5,0-2,1", topology_).value(), ElementsAre(0, 1, 2, 5));
  EXPECT_THAT(ParseCpuset("none", topology_).value(), IsEmpty());
}

TEST_F(SyntheticTopologyTest, ANodesCores) {
  EXPECT_THAT(ParseCpuset("numa:0", topology_).value(), ElementsAre(0, 2));
  EXPECT_THAT(ParseCpuset("numa:3", topology_).value(), ElementsAre(12, 14));
  EXPECT_THAT(ParseCpuset("numa:4", topology_).status().message(), HasSubstr("0-3"));
}

TEST_F(SyntheticTopologyTest, PartsOfTheCores) {
  EXPECT_THAT(ParseCpuset("part:1/2", topology_).value(), ElementsAre(0, 2, 4, 6));
  EXPECT_THAT(ParseCpuset("part:2/2", topology_).value(), ElementsAre(8, 10, 12, 14));
  EXPECT_THAT(ParseCpuset("part:2/3", topology_).value(), ElementsAre(4, 6, 8));
  EXPECT_THAT(ParseCpuset("part:1/1", topology_).value(), ElementsAre(0, 2, 4, 6, 8, 10, 12, 14));
  EXPECT_THAT(ParseCpuset("part:8/8", topology_).value(), ElementsAre(14));
  // More parts than cores take hardware threads; more than those, nothing of their own.
  EXPECT_THAT(ParseCpuset("part:16/16", topology_).value(), ElementsAre(15));
  EXPECT_THAT(ParseCpuset("part:1/17", topology_).value(), IsEmpty());
}

TEST_F(SyntheticTopologyTest, RefusesWhatIsNotAListOrNotHere) {
  for (const char* text :
       {"", "x", "3-1", "-1", "1-", "0,,1", "0-99999999999", "16", "numa", "numa:", "numa:x",
        "part:", "part:0/2", "part:3/2", "part:1", "part:1/0"}) {
    EXPECT_EQ(ParseCpuset(text, topology_).status().code(), absl::StatusCode::kInvalidArgument)
        << text;
  }
}

TEST(TopologyTest, ThisMachineHasACoreAndMemory) {
  const auto topology = DetectTopology();
  ASSERT_TRUE(topology.ok()) << topology.status();
  EXPECT_GE(topology->cores.size(), 1u);
  EXPECT_GT(topology->memory_bytes, 1u << 20);
  EXPECT_FALSE(topology->nodes.empty());
  EXPECT_TRUE(PreferMemoryOf(topology->cores.front().numa_node).ok());
}

TEST(TopologyTest, CpusetNamesAreRuns) {
  EXPECT_EQ(CpusetName({6, 0, 1, 2, 3}), "0-3,6");
  EXPECT_EQ(CpusetName({}), "any");
}

TEST(AffinityTest, ThreadsAreConfinedAndTopologyKnows) {
  const auto before = DetectTopology();
  ASSERT_TRUE(before.ok()) << before.status();
  const int cpu = before->Cpus().back();
  std::thread([&] {
    ASSERT_TRUE(ConfineThreads({cpu}).ok());
    cpu_set_t set;
    ASSERT_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
    EXPECT_EQ(CPU_COUNT(&set), 1);
    EXPECT_TRUE(CPU_ISSET(cpu, &set));
  }).join();
  EXPECT_THAT(DetectTopology()->Cpus(), ElementsAre(cpu));
  EXPECT_TRUE(ConfineThreads(before->Cpus()).ok());
  EXPECT_FALSE(ConfineThreads({}).ok());
}

// A file system with the control groups of a test.
class ControlGroupTest : public testing::Test {
 protected:
  ControlGroupTest() {
    std::string pattern = testing::TempDir() + "tern-groups-XXXXXX";
    root_ = mkdtemp(pattern.data());
  }
  ~ControlGroupTest() override { std::filesystem::remove_all(root_); }

  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text << "\n";
  }

  std::string root_;
};

TEST_F(ControlGroupTest, NothingThereIsNoLimit) {
  EXPECT_EQ(ReadControlGroupLimits(root_).memory_bytes, 0u);
  EXPECT_EQ(ReadControlGroupLimits(root_).processors, 0);
}

TEST_F(ControlGroupTest, Version2TakesTheLeastOnTheWayUp) {
  Write("/proc/self/cgroup", "0::/slice/worker");
  Write("/sys/fs/cgroup/slice/worker/memory.max", "max");
  Write("/sys/fs/cgroup/slice/worker/cpu.max", "150000 100000");
  Write("/sys/fs/cgroup/slice/memory.max", "1000000");
  Write("/sys/fs/cgroup/slice/cpu.max", "max 100000");
  EXPECT_EQ(ReadControlGroupLimits(root_).memory_bytes, 1000000u);
  EXPECT_EQ(ReadControlGroupLimits(root_).processors, 1.5);
  Write("/sys/fs/cgroup/memory.max", "500000");
  EXPECT_EQ(ReadControlGroupLimits(root_).memory_bytes, 500000u);
}

TEST_F(ControlGroupTest, Version1HasOneTreeForEachController) {
  Write("/proc/self/cgroup", "5:memory:/box\n4:cpu,cpuacct:/box\n1:name=systemd:/box\n0::/");
  Write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712");
  Write("/sys/fs/cgroup/memory/box/memory.limit_in_bytes", "2000000");
  Write("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1");
  Write("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000");
  Write("/sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "50000");
  Write("/sys/fs/cgroup/cpu/box/cpu.cfs_period_us", "100000");
  EXPECT_EQ(ReadControlGroupLimits(root_).memory_bytes, 2000000u);
  EXPECT_EQ(ReadControlGroupLimits(root_).processors, 0.5);
}

}  // namespace
}  // namespace tern
