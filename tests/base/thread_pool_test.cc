// SPDX-License-Identifier: MIT
#include "base/thread_pool.h"

#include <numeric>
#include <vector>

#include "gtest/gtest.h"

namespace tern {
namespace {

TEST(SplitRangeTest, PartsCoverEachIndexOnceAtMultiples) {
  for (size_t count : {0, 1, 15, 16, 17, 640, 6912}) {
    for (size_t parts : {1, 2, 3, 7, 64}) {
      size_t next = 0;
      for (size_t part = 0; part < parts; ++part) {
        const IndexRange range = SplitRange(count, 16, part, parts);
        EXPECT_EQ(range.begin, next);
        EXPECT_TRUE(range.begin % 16 == 0 || range.begin == count);
        next = range.end;
      }
      EXPECT_EQ(next, count);
    }
  }
}

TEST(ThreadPoolTest, RunsTheBodyOnceOnEachThread) {
  for (size_t threads : {1, 2, 5}) {
    auto pool = ThreadPool::Create({.threads = threads, .cpus = {}});
    ASSERT_TRUE(pool.ok()) << pool.status();
    std::vector<int> calls(threads, 0);
    for (int run = 0; run < 300; ++run) (*pool)->Run([&](size_t thread) { ++calls[thread]; });
    EXPECT_EQ(calls, std::vector<int>(threads, 300));
  }
}

TEST(ThreadPoolTest, WhatOneRunWroteTheNextReads) {
  auto pool = ThreadPool::Create({.threads = 4, .cpus = {}});
  ASSERT_TRUE(pool.ok()) << pool.status();
  std::vector<uint64_t> values(4, 1);
  for (int run = 0; run < 10; ++run) {
    std::vector<uint64_t> next(4);
    (*pool)->Run([&](size_t thread) {
      next[thread] = std::accumulate(values.begin(), values.end(), uint64_t{0});
    });
    values = next;
  }
  EXPECT_EQ(values, std::vector<uint64_t>(4, 1 << 20));
}

TEST(ThreadPoolTest, SyncLetsAllReadWhatAllWrote) {
  for (size_t threads : {1, 2, 5}) {
    auto pool = ThreadPool::Create({.threads = threads, .cpus = {}});
    ASSERT_TRUE(pool.ok()) << pool.status();
    std::vector<uint64_t> values(threads, 0), wrong(threads, 0);
    (*pool)->Run([&](size_t thread) {
      for (uint64_t step = 1; step <= 500; ++step) {
        values[thread] = step;
        (*pool)->Sync();
        for (const uint64_t value : values) wrong[thread] += value != step;
        (*pool)->Sync();
      }
    });
    EXPECT_EQ(wrong, std::vector<uint64_t>(threads, 0));
  }
}

TEST(ThreadPoolTest, RefusesWhatCannotBe) {
  EXPECT_EQ(ThreadPool::Create({.threads = 0, .cpus = {}}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ThreadPool::Create({.threads = 1, .cpus = {-1}}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ThreadPool::Create({.threads = 1, .cpus = {1023}}).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace tern
