// SPDX-License-Identifier: MIT
#include "bench/statistics.h"

#include <gtest/gtest.h>

namespace tern {
namespace {

TEST(StatisticsTest, MedianOfOddAndEvenCounts) {
  EXPECT_EQ(Percentile({3, 1, 2}, 50), 2);
  EXPECT_EQ(Percentile({4, 1, 3, 2}, 50), 2.5);
  EXPECT_EQ(Percentile({7}, 50), 7);
}

// numpy.percentile([10, 20, 30, 40, 50], [0, 25, 95, 99, 100])
TEST(StatisticsTest, PercentilesAreLinearBetweenValues) {
  const std::vector<double> values = {50, 10, 40, 20, 30};
  EXPECT_EQ(Percentile(values, 0), 10);
  EXPECT_EQ(Percentile(values, 25), 20);
  EXPECT_DOUBLE_EQ(Percentile(values, 95), 48);
  EXPECT_DOUBLE_EQ(Percentile(values, 99), 49.6);
  EXPECT_EQ(Percentile(values, 100), 50);
}

TEST(StatisticsTest, SpreadHoldsTheExtremes) {
  EXPECT_EQ(SpreadOf({5, 1, 9, 7}), (Spread{.median = 6, .min = 1, .max = 9}));
  EXPECT_EQ(SpreadOf({2}), (Spread{.median = 2, .min = 2, .max = 2}));
}

}  // namespace
}  // namespace tern
