// SPDX-License-Identifier: MIT
#include "bench/limits.h"

#include <gtest/gtest.h>

#include <cmath>
#include <initializer_list>

namespace tern {
namespace {

// Little memory, so a small buffer: the figures mean nothing, but are figures.
TEST(LimitsTest, AreFiniteAndPositive) {
  Topology topology;
  topology.memory_bytes = uint64_t{64} << 20;
  for (const size_t threads : {1, 2}) {
    const auto pool = ThreadPool::Create({.threads = threads, .cpus = {}}).value();
    LimitsMeter meter(topology, pool.get());
    meter.Measure(absl::Milliseconds(1));
    meter.Measure(absl::Milliseconds(1));
    const Limits limits = meter.result();
    EXPECT_EQ(limits.threads, threads);
    EXPECT_EQ(limits.probe.rfind("probe_", 0), 0u);
    for (const double value : {limits.read_gb_per_s, limits.read_median_gb_per_s,
                               limits.int8_gmac_per_s, limits.int8_median_gmac_per_s}) {
      EXPECT_GT(value, 0);
      EXPECT_TRUE(std::isfinite(value));
    }
    EXPECT_GE(limits.read_gb_per_s, limits.read_median_gb_per_s);
    EXPECT_GE(limits.int8_gmac_per_s, limits.int8_median_gmac_per_s);
    EXPECT_EQ(limits.sync_ns > 0, threads > 1);
    EXPECT_LE(limits.sync_ns, limits.sync_median_ns);
  }
}

}  // namespace
}  // namespace tern
