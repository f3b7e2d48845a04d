// SPDX-License-Identifier: MIT
#include "base/aligned_buffer.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <random>
#include <set>
#include <utility>
#include <vector>

namespace tern {
namespace {

// Many buffers of all sizes live and die in any order; each keeps what was written to it.
TEST(AlignedBufferTest, BuffersDoNotOverlap) {
  std::mt19937 rng(1);
  struct Kept {
    AlignedBuffer<uint32_t> buffer;
    uint32_t value;
  };
  std::vector<Kept> kept;
  const auto check = [](const Kept& k) {
    EXPECT_TRUE(std::ranges::all_of(k.buffer, [&](uint32_t x) { return x == k.value; }));
  };
  for (uint32_t i = 0; i < 300; ++i) {
    const size_t kib = size_t{1} << rng() % 14;  // to 8 MiB
    AlignedBuffer<uint32_t> buffer(kib * 256 + rng() % 100);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % kCacheLineBytes, 0u);
    std::fill(buffer.begin(), buffer.end(), i);
    kept.push_back({std::move(buffer), i});
    if (kept.size() < 20) continue;
    std::swap(kept[rng() % kept.size()], kept.back());
    check(kept.back());
    kept.pop_back();
  }
  for (const Kept& k : kept) check(k);
}

// The address sanitizer keeps what was freed for a while.
#if !defined(__SANITIZE_ADDRESS__)

constexpr size_t kMiB = size_t{1} << 20;

// There is always one, so that the memory of all never comes free at once.
TEST(AlignedBufferTest, BuffersThatComeAndGoTakeTheSamePlaces) {
  std::set<const void*> places;
  AlignedBuffer<uint8_t> last(kMiB);
  for (int i = 0; i < 100; ++i) {
    AlignedBuffer<uint8_t> next(kMiB);
    places.insert(next.data());
    last = std::move(next);
  }
  EXPECT_LE(places.size(), 3u);
}

bool IsResident(const void* at) {
  constexpr uintptr_t kPageBytes = 4096;
  unsigned char resident = 0;
  const auto page = reinterpret_cast<uintptr_t>(at) / kPageBytes * kPageBytes;
  return mincore(reinterpret_cast<void*>(page), kPageBytes, &resident) == 0 && (resident & 1) != 0;
}

TEST(AlignedBufferTest, WhatIsFreedTakesNoMemory) {
  AlignedBuffer<uint8_t> buffer = AlignedBuffer<uint8_t>::Zeroed(6 * kMiB);
  const uint8_t* middle = buffer.data() + 3 * kMiB;
  EXPECT_TRUE(IsResident(middle));
  buffer = {};
  EXPECT_FALSE(IsResident(middle));
}

#endif

TEST(AlignedBufferTest, MovesAndForgets) {
  AlignedBuffer<int> a(1 << 20);
  int* data = a.data();
  AlignedBuffer<int> b = std::move(a);
  EXPECT_EQ(b.data(), data);
  EXPECT_TRUE(a.empty());
  a = AlignedBuffer<int>(3);
  a = std::move(b);
  EXPECT_EQ(a.data(), data);
  EXPECT_EQ(a.size(), size_t{1} << 20);
  EXPECT_TRUE(AlignedBuffer<int>().empty());
  EXPECT_TRUE(AlignedBuffer<double>::TryAllocate(SIZE_MAX / 4).empty());
}

}  // namespace
}  // namespace tern
