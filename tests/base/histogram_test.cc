// SPDX-License-Identifier: MIT
#include "base/histogram.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tern {
namespace {

TEST(HistogramTest, CountsEachValueOnceUnderTheFirstBoundThatHoldsIt) {
  Histogram histogram;
  for (const int ms : {0, 1, 2, 100, 101, 3600'000}) histogram.Add(absl::Milliseconds(ms));
  const Histogram::Snapshot seen = histogram.snapshot();
  ASSERT_EQ(seen.counts.size(), seen.bounds.size() + 1);
  EXPECT_EQ(seen.count(), 6);
  EXPECT_DOUBLE_EQ(seen.sum, 3600.204);
  EXPECT_EQ(seen.counts.front(), 2);  // 0 and 1 ms: a bound belongs to what is below it
  EXPECT_EQ(seen.counts.back(), 1);
  for (size_t i = 1; i < seen.bounds.size(); ++i) {
    EXPECT_GT(seen.bounds[i], seen.bounds[i - 1]);
    const bool has_one =
        seen.bounds[i] == 0.0025 || seen.bounds[i] == 0.1 || seen.bounds[i] == 0.25;
    EXPECT_EQ(seen.counts[i], has_one ? 1 : 0) << seen.bounds[i];
  }
}

}  // namespace
}  // namespace tern
