// SPDX-License-Identifier: MIT
#include "base/topology.h"

#include <cstdlib>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tern {
namespace {

using testing::ElementsAre;

// Two packages of two NUMA nodes of two cores with two hardware threads each.
class SyntheticTopologyTest : public testing::Test {
 protected:
  void SetUp() override {
    setenv("HWLOC_SYNTHETIC", "pack:2 numa:2 l3:1 core:2 pu:2", 1);
    auto detected = DetectTopology();
    ASSERT_TRUE(detected.ok()) << detected.status();
    topology_ = *detected;
  }
  void TearDown() override { unsetenv("HWLOC_SYNTHETIC"); }

  Topology topology_;
};

TEST_F(SyntheticTopologyTest, CountsWhatIsThere) {
  EXPECT_EQ(topology_.packages, 2);
  EXPECT_EQ(topology_.numa_nodes, 4);
  ASSERT_EQ(topology_.cores.size(), 8u);
  EXPECT_THAT(topology_.cores[3].cpus, ElementsAre(6, 7));
  EXPECT_EQ(topology_.cores[3].numa_node, 1);
  EXPECT_GT(topology_.l3_bytes, 0u);
}

TEST_F(SyntheticTopologyTest, AutoTakesOneThreadOfEachCore) {
  EXPECT_THAT(ParseCpuset("auto", topology_).value(), ElementsAre(0, 2, 4, 6, 8, 10, 12, 14));
}

TEST_F(SyntheticTopologyTest, ListsAndNone) {
  EXPECT_THAT(ParseCpuset("0-2,5", topology_).value(), ElementsAre(0, 1, 2, 5));
  EXPECT_THAT(ParseCpuset("none", topology_).value(), ElementsAre());
}

TEST_F(SyntheticTopologyTest, PartsOfTheCores) {
  EXPECT_THAT(ParseCpuset("part:1/2", topology_).value(), ElementsAre(0, 2, 4, 6));
  EXPECT_THAT(ParseCpuset("part:2/2", topology_).value(), ElementsAre(8, 10, 12, 14));
  EXPECT_THAT(ParseCpuset("part:2/3", topology_).value(), ElementsAre(4, 6, 8));
  EXPECT_THAT(ParseCpuset("part:1/1", topology_).value(), ElementsAre(0, 2, 4, 6, 8, 10, 12, 14));
  EXPECT_THAT(ParseCpuset("part:16/16", topology_).value(), ElementsAre(14));
}

TEST_F(SyntheticTopologyTest, RefusesWhatIsNotAListOrNotHere) {
  for (const char* text : {"", "x", "3-1", "-1", "1-", "0,,1", "0-99999999999", "16", "numa",
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
}

}  // namespace
}  // namespace tern
