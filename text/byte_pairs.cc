// SPDX-License-Identifier: MIT
#include "text/byte_pairs.h"

#include <functional>
#include <queue>
#include <tuple>

namespace tern {
namespace {

constexpr size_t kFew = 32;
constexpr uint32_t kNoRank = UINT32_MAX;
constexpr int32_t kGone = -1;  // merged into the token to its left

// Places with their neighbours, so that a merge is O(1).
struct Place {
  int32_t token;
  size_t before;
  size_t after;
};

struct Candidate {
  uint32_t rank;
  size_t left;
  size_t right;
  int32_t left_token;  // as they were when the candidate was found
  int32_t right_token;
  int32_t merged;

  bool operator>(const Candidate& other) const {
    return std::tie(rank, left) > std::tie(other.rank, other.left);
  }
};

}  // namespace

void BytePairs::Add(int32_t left, int32_t right, int32_t merged) {
  const uint32_t rank = static_cast<uint32_t>(rules_.size());
  rules_.emplace(Key(left, right), Rule{rank, merged});
}

void BytePairs::Merge(std::vector<int32_t>& tokens) const {
  tokens.size() <= kFew ? MergeFew(tokens) : MergeMany(tokens);
}

// Words are short: to look through all pairs for the best is quicker than to keep a heap of them.
void BytePairs::MergeFew(std::vector<int32_t>& tokens) const {
  Rule rules[kFew];  // of the pair that begins at a token
  const auto find = [&](size_t left) {
    const auto rule = rules_.find(Key(tokens[left], tokens[left + 1]));
    return rule == rules_.end() ? Rule{kNoRank, 0} : rule->second;
  };
  for (size_t i = 0; i + 1 < tokens.size(); ++i) rules[i] = find(i);
  while (tokens.size() > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < tokens.size(); ++i) {
      if (rules[i].rank < rules[best].rank) best = i;
    }
    if (rules[best].rank == kNoRank) return;
    tokens[best] = rules[best].merged;
    tokens.erase(tokens.begin() + static_cast<ptrdiff_t>(best) + 1);
    for (size_t i = best + 1; i + 1 < tokens.size(); ++i) rules[i] = rules[i + 1];
    if (best + 1 < tokens.size()) rules[best] = find(best);
    if (best > 0) rules[best - 1] = find(best - 1);
  }
}

void BytePairs::MergeMany(std::vector<int32_t>& tokens) const {
  const size_t end = tokens.size();
  std::vector<Place> places;
  places.reserve(end);
  for (size_t i = 0; i < end; ++i) places.push_back({tokens[i], i == 0 ? end : i - 1, i + 1});

  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> candidates;
  const auto consider = [&](size_t left, size_t right) {
    if (left == end || right == end) return;
    const auto rule = rules_.find(Key(places[left].token, places[right].token));
    if (rule == rules_.end()) return;
    candidates.push({rule->second.rank, left, right, places[left].token, places[right].token,
                     rule->second.merged});
  };
  for (size_t i = 0; i + 1 < end; ++i) consider(i, i + 1);

  while (!candidates.empty()) {
    const Candidate best = candidates.top();
    candidates.pop();
    Place& left = places[best.left];
    Place& right = places[best.right];
    if (left.token != best.left_token || right.token != best.right_token) continue;  // out of date
    left.token = best.merged;
    left.after = right.after;
    right.token = kGone;
    if (left.after != end) places[left.after].before = best.left;
    consider(left.before, best.left);
    consider(best.left, left.after);
  }

  tokens.clear();
  for (size_t i = 0; i < end; i = places[i].after) tokens.push_back(places[i].token);
}

}  // namespace tern
