// SPDX-License-Identifier: MIT
#include "tools/bare_hop.h"

#include <gtest/gtest.h>

namespace tern {
namespace {

TEST(BareHopTest, TakesTimeOverEitherSocket) {
  for (const bool tcp : {false, true}) {
    for (const size_t bytes : {size_t{1}, size_t{4} << 20}) {  // more than a socket's buffer
      const absl::StatusOr<double> seconds = BareHopSeconds(
          {.tcp = tcp, .bytes = bytes, .pause = absl::Microseconds(50), .hops = 9, .cpus = {}});
      ASSERT_TRUE(seconds.ok()) << seconds.status();
      EXPECT_GT(*seconds, 0);
    }
  }
}

TEST(BareHopTest, AProcessorThatIsNotThereIsAnError) {
  EXPECT_FALSE(BareHopSeconds({.bytes = 1, .pause = {}, .hops = 2, .cpus = {100'000}}).ok());
}

}  // namespace
}  // namespace tern
