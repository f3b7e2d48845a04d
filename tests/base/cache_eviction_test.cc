// SPDX-License-Identifier: MIT
#include "base/cache_eviction.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace tern {
namespace {

// That they are no longer in a cache only shows in time, which no test asserts.
TEST(CacheEvictionTest, BytesStayWhatTheyAre) {
  std::vector<uint8_t> bytes(10'007);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * 31 + i / 256);
  const std::vector<uint8_t> before = bytes;
  EvictFromCaches({});
  for (size_t begin : {0, 1, 63, 64}) {
    for (size_t end : {begin, begin + 1, begin + 64, bytes.size()}) {
      EvictFromCaches({bytes.data() + begin, end - begin});
      ASSERT_EQ(bytes, before);
    }
  }
}

}  // namespace
}  // namespace tern
