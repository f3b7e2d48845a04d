// SPDX-License-Identifier: MIT
#include "text/byte_pairs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

namespace tern {
namespace {

using ::testing::ElementsAre;
using Tokens = std::vector<int32_t>;

struct Rule {
  int32_t left, right, merged;
};

Tokens Merged(const std::vector<Rule>& rules, Tokens tokens) {
  BytePairs pairs;
  for (const Rule& rule : rules) pairs.Add(rule.left, rule.right, rule.merged);
  pairs.Merge(tokens);
  return tokens;
}

// The definition, step by step.
Tokens PlainlyMerged(const std::vector<Rule>& rules, Tokens tokens) {
  while (true) {
    size_t best = rules.size(), place = 0;
    for (size_t i = 0; i + 1 < tokens.size(); ++i) {
      for (size_t rank = 0; rank < best; ++rank) {
        if (rules[rank].left == tokens[i] && rules[rank].right == tokens[i + 1]) {
          best = rank;
          place = i;
        }
      }
    }
    if (best == rules.size()) return tokens;
    tokens[place] = rules[best].merged;
    tokens.erase(tokens.begin() + static_cast<ptrdiff_t>(place) + 1);
  }
}

TEST(BytePairsTest, MergesLowestRankFirst) {
  const std::vector<Rule> rules = {{1, 2, 10}, {0, 1, 11}, {11, 2, 12}};
  EXPECT_THAT(Merged(rules, {0, 1, 2}), ElementsAre(0, 10));
  EXPECT_THAT(Merged(rules, {0, 1, 3}), ElementsAre(11, 3));
}

TEST(BytePairsTest, MergesLeftmostOfEquals) {
  EXPECT_THAT(Merged({{0, 0, 1}}, {0, 0, 0}), ElementsAre(1, 0));
  EXPECT_THAT(Merged({{0, 0, 1}, {1, 1, 2}}, {0, 0, 0, 0, 0}), ElementsAre(2, 0));
}

TEST(BytePairsTest, FirstRankOfARepeatedPairCounts) {
  EXPECT_THAT(Merged({{0, 1, 10}, {1, 2, 11}, {0, 1, 12}}, {0, 1, 2}), ElementsAre(10, 2));
}

TEST(BytePairsTest, LeavesWhatHasNoRule) {
  EXPECT_THAT(Merged({}, {}), ElementsAre());
  EXPECT_THAT(Merged({}, {5}), ElementsAre(5));
  EXPECT_THAT(Merged({{0, 1, 2}}, {1, 0, 5, 5}), ElementsAre(1, 0, 5, 5));
}

TEST(BytePairsTest, EqualsTheDefinition) {
  std::mt19937 rng(1508);
  for (int round = 0; round < 300; ++round) {
    const auto draw = [&](int below) { return static_cast<int32_t>(rng() % below); };
    std::vector<Rule> rules;
    std::map<std::pair<int32_t, int32_t>, bool> seen;
    for (int32_t merged = 3; merged < 20; ++merged) {
      const Rule rule = {draw(merged), draw(merged), merged};
      if (!seen.emplace(std::pair(rule.left, rule.right), true).second) continue;
      rules.push_back(rule);
    }
    Tokens tokens(static_cast<size_t>(draw(60)));
    for (int32_t& token : tokens) token = draw(3);
    EXPECT_EQ(Merged(rules, tokens), PlainlyMerged(rules, tokens)) << "round " << round;
  }
}

// A quadratic merge would not end within the test's time limit.
TEST(BytePairsTest, LongRunsAreNoTrouble) {
  constexpr size_t kTokens = size_t{1} << 20;
  std::vector<Rule> rules;
  for (int32_t level = 0; level < 20; ++level) rules.push_back({level, level, level + 1});
  EXPECT_THAT(Merged(rules, Tokens(kTokens, 0)), ElementsAre(20));
}

}  // namespace
}  // namespace tern
