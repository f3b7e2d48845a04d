// SPDX-License-Identifier: MIT
#include "model/kv_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <random>
#include <set>

#include "model/local_pages.h"
#include "tests/support/random_model.h"

// Address sanitizer ends the program where `new (std::nothrow)` should say no.
extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1"; }

namespace tern {
namespace {

using ::testing::ElementsAre;

TEST(KvCacheTest, PagesForTokens) {
  EXPECT_EQ(KvPagesFor(0), 0u);
  EXPECT_EQ(KvPagesFor(1), 1u);
  EXPECT_EQ(KvPagesFor(32), 1u);
  EXPECT_EQ(KvPagesFor(33), 2u);
}

TEST(KvCacheTest, PageBytesCountKeysAndValues) {
  const ModelConfig config = SmallConfig();  // kv_dim 64
  EXPECT_EQ(KvPageBytes(config, 3, KvType::kF16), 2 * 32 * 64 * 2 * 3);
  EXPECT_EQ(KvPageBytes(config, 3, KvType::kF32), 2 * 32 * 64 * 4 * 3);
  EXPECT_EQ(KvPageBytes(config, 3, KvType::kQ8),
            2 * (32 * 64 + config.kv_heads * 32 * sizeof(float)) * 3);
}

TEST(KvCacheTest, RefusesMoreThanTheMachineHas) {
  const ModelConfig config = SmallConfig();
  for (const uint64_t pages :
       {uint64_t{1} << 31, uint64_t{1} << 40, std::numeric_limits<uint64_t>::max()}) {
    EXPECT_EQ(KvCache::Create(config, 4096, pages, KvType::kF32).status().code(),
              absl::StatusCode::kResourceExhausted)
        << pages;
  }
}

TEST(KvCacheTest, ASequenceHoldsThePagesItWasGiven) {
  KvCache cache = KvCache::Create(SmallConfig(), 2, 4, KvType::kF16).value();
  EXPECT_FALSE(cache.Knows(1));
  EXPECT_EQ(cache.capacity(1), 0u);
  cache.Append(1, std::vector<uint32_t>{3, 1});
  cache.Advance(1, 40);
  cache.Append(1, std::vector<uint32_t>{0});
  EXPECT_THAT(cache.PageTable(1), ElementsAre(3, 1, 0));
  EXPECT_EQ(cache.capacity(1), 96u);
  EXPECT_EQ(cache.length(1), 40u);
  cache.Append(2, std::vector<uint32_t>{3, 2});  // begins with the same page
  cache.Advance(2, 32);
  EXPECT_EQ(cache.sequences(), 2u);
  cache.Release(1);
  cache.Release(1);
  cache.Release(99);
  EXPECT_EQ(cache.length(1), 0u);
  EXPECT_THAT(cache.PageTable(2), ElementsAre(3, 2));
  EXPECT_EQ(cache.sequences(), 1u);
  cache.Release(2);
  cache.AppendAll(5);
  EXPECT_THAT(cache.PageTable(5), ElementsAre(0, 1, 2, 3));
}

TEST(LocalPagesTest, ReservesWholePagesOnce) {
  KvCache cache = KvCache::Create(SmallConfig(), 2, 4, KvType::kF16).value();
  LocalPages pages(4);
  ASSERT_TRUE(pages.Reserve(cache, 1, 33).ok());
  ASSERT_TRUE(pages.Reserve(cache, 1, 64).ok());
  ASSERT_TRUE(pages.Reserve(cache, 1, 10).ok()) << "less than it has";
  EXPECT_THAT(cache.PageTable(1), ElementsAre(0, 1));
  EXPECT_EQ(pages.free_pages(), 2u);
}

TEST(LocalPagesTest, ExhaustionChangesNothing) {
  KvCache cache = KvCache::Create(SmallConfig(), 2, 4, KvType::kF16).value();
  LocalPages pages(4);
  ASSERT_TRUE(pages.Reserve(cache, 1, 3 * 32).ok());
  EXPECT_EQ(pages.Reserve(cache, 1, 5 * 32).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(pages.Reserve(cache, 2, 2 * 32).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(cache.PageTable(1).size(), 3u);
  EXPECT_FALSE(cache.Knows(2));
  EXPECT_TRUE(pages.Reserve(cache, 2, 32).ok()) << "the last page is still there";
}

// Random reservations and releases: every page belongs to one sequence or is free.
TEST(LocalPagesTest, NoPageIsLostOrShared) {
  constexpr uint64_t kPages = 20;
  KvCache cache = KvCache::Create(SmallConfig(), 1, kPages, KvType::kF16).value();
  LocalPages pages(kPages);
  std::mt19937_64 rng(3);
  std::set<SequenceId> live;
  for (int step = 0; step < 2000; ++step) {
    const SequenceId sequence = rng() % 8;
    if (rng() % 3 == 0) {
      pages.Release(cache, sequence);
      live.erase(sequence);
    } else if (pages.Reserve(cache, sequence, rng() % 300).ok()) {
      live.insert(sequence);
    }
    std::set<uint32_t> held;
    uint64_t count = 0;
    for (const SequenceId id : live) {
      held.insert(cache.PageTable(id).begin(), cache.PageTable(id).end());
      count += cache.PageTable(id).size();
    }
    ASSERT_EQ(held.size(), count) << "step " << step;
    ASSERT_EQ(count + pages.free_pages(), kPages) << "step " << step;
  }
}

TEST(KvCacheTest, ColumnsArePaddedToWholeVectors) {
  ModelConfig config = SmallConfig();
  config.head_dim = 20;
  config.kv_heads = 3;
  EXPECT_EQ(KvPageBytes(config, 1, KvType::kF16), 2 * 32 * 3 * 32 * 2);
}

TEST(KvCacheTest, BeginsWithZerosWhoeverWroteThem) {
  const ModelConfig config = SmallConfig();
  const auto pool = ThreadPool::Create({.threads = 3, .cpus = {}}).value();
  for (ThreadPool* threads : {pool.get(), static_cast<ThreadPool*>(nullptr)}) {
    const KvCache cache = KvCache::Create(config, 3, 5, KvType::kF16, threads).value();
    const uint8_t* begin = cache.Keys(0, 0, 0);
    const uint8_t* end = begin + 5 * KvPageBytes(config, 3, KvType::kF16);
    EXPECT_EQ(std::count(begin, end, 0), end - begin);
  }
}

TEST(KvCacheTest, HeadsOfPagesAndLayersDoNotOverlap) {
  const ModelConfig config = SmallConfig();
  constexpr uint32_t kLayers = 3, kPages = 2;
  KvCache cache = KvCache::Create(config, kLayers, kPages, KvType::kF16).value();
  const size_t bytes = KvPageBytes(config, 1, KvType::kF16) / 2 / config.kv_heads;
  const auto for_each = [&](auto visit) {
    uint8_t mark = 0;
    for (uint32_t page = 0; page < kPages; ++page) {
      for (uint32_t layer = 0; layer < kLayers; ++layer) {
        for (uint32_t head = 0; head < config.kv_heads; ++head) {
          visit(cache.Keys(layer, head, page), ++mark);
          visit(cache.Values(layer, head, page), ++mark);
        }
      }
    }
  };
  for_each([&](uint8_t* half, uint8_t mark) { std::memset(half, mark, bytes); });
  for_each([&](const uint8_t* half, uint8_t mark) {
    EXPECT_EQ(std::count(half, half + bytes, mark), static_cast<ptrdiff_t>(bytes));
  });
}

}  // namespace
}  // namespace tern
