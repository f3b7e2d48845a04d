// SPDX-License-Identifier: MIT
#include "coordinator/stop_text.h"

#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace tern {
namespace {

TEST(StopTextTest, WithoutStopTextsEverythingIsShownAtOnce) {
  StopText stop({});
  EXPECT_EQ(stop.Push("one"), "one");
  EXPECT_EQ(stop.Push(""), "");
  EXPECT_FALSE(stop.stopped());
  EXPECT_EQ(stop.Finish(), "");
}

TEST(StopTextTest, AStopTextMaySpanPieces) {
  StopText stop({"\nUser:"});
  EXPECT_EQ(stop.Push("Yes.\n"), "Yes.");
  EXPECT_EQ(stop.Push("Us"), "");
  EXPECT_EQ(stop.Push("er"), "");
  EXPECT_FALSE(stop.stopped());
  EXPECT_EQ(stop.Push(": more"), "");
  EXPECT_TRUE(stop.stopped());
  EXPECT_EQ(stop.Finish(), "");
}

TEST(StopTextTest, WhatOnlyBeganLikeAStopTextIsShownLater) {
  StopText stop({"abab!"});
  EXPECT_EQ(stop.Push("xab"), "x");
  EXPECT_EQ(stop.Push("ab"), "");
  EXPECT_EQ(stop.Push("ab"), "ab") << "the last four could still begin it";
  EXPECT_EQ(stop.Push("?"), "abab?");
  EXPECT_EQ(stop.Push("a"), "");
  EXPECT_EQ(stop.Finish(), "a");
  EXPECT_FALSE(stop.stopped());
}

TEST(StopTextTest, TheOneThatEndsFirstCounts) {
  StopText stop({"abcd", "b"});
  EXPECT_EQ(stop.Push("xabcd"), "xa");
  EXPECT_TRUE(stop.stopped());
  StopText same_end({"b", "ab"});
  EXPECT_EQ(same_end.Push("xab"), "x");
}

// For every way to cut the text into pieces, the shown text is the same, and it is the text up to
// the first stop text, found the plain way.
TEST(StopTextTest, PiecesDoNotMatter) {
  constexpr unsigned kSeed = 7;
  std::mt19937 rng(kSeed);
  const auto random_text = [&](size_t most) {
    std::string text(1 + rng() % most, 'a');
    for (char& c : text) c = static_cast<char>('a' + rng() % 2);
    return text;
  };
  for (int round = 0; round < 20000; ++round) {
    std::vector<std::string> stops(1 + rng() % 3);
    for (std::string& stop : stops) stop = random_text(6);
    const std::string text = random_text(20);
    std::string want = text;
    bool want_stopped = false;
    for (size_t end = 1; end <= text.size() && !want_stopped; ++end) {
      for (const std::string& stop : stops) {
        if (end < stop.size() || text.compare(end - stop.size(), stop.size(), stop) != 0) continue;
        want_stopped = true;
        want.resize(std::min(want.size(), end - stop.size()));
      }
    }
    StopText stop(stops);
    std::string shown;
    for (size_t at = 0; at < text.size() && !stop.stopped();) {
      const size_t piece = 1 + rng() % 4;
      shown += stop.Push(text.substr(at, piece));
      EXPECT_EQ(want.compare(0, shown.size(), shown), 0) << "shown too early: " << shown;
      at += piece;
    }
    shown += stop.Finish();
    ASSERT_EQ(shown, want) << "seed " << kSeed << " round " << round;
    ASSERT_EQ(stop.stopped(), want_stopped);
  }
}

}  // namespace
}  // namespace tern
