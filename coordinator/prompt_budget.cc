// SPDX-License-Identifier: MIT
#include "coordinator/prompt_budget.h"

#include <algorithm>
#include <cmath>

namespace tern {
namespace {

// What the prompts' rows may add, as a share of the step without them. The rest up to twice its
// time is for what this does not foresee.
constexpr double kMostAdded = 0.6;

// Several rows that add at most so many times what one adds go as that one does.
constexpr double kAsGoodAsFree = 1.1;

constexpr size_t kFirstSize = 5;  // an index: 8 rows to begin with, when nothing is known

// After so many steps with prompts there is one without, so that it is known how long that takes
// with as many sequences; but if not, or not so lately, sooner.
constexpr uint32_t kLookAgain = 64, kLookAtOther = 16;

// A size that was too much is tried again after so many, as it may have been something else that
// made it slow; each time after four times as many, but not more than the last number.
constexpr uint32_t kFirstWait = 128, kLongestWait = 8192;

constexpr double kWeightOfNew = 0.2;

// Nothing takes less; 0 is not known.
constexpr double kLeastSeconds = 1e-9;

void Learn(double value, double& known) {
  known = known == 0 ? value : known + kWeightOfNew * (value - known);
}

}  // namespace

void PromptBudget::OnStep(size_t generating, double rows, double position, absl::Duration took) {
  const double seconds = std::max(absl::ToDoubleSeconds(took), kLeastSeconds);
  Without& without = without_[LoadOf(generating)];
  if (rows == 0) {
    Learn(seconds, without.seconds);
    without.seen_after = seen_after_ = mixed_steps_;
    return;
  }
  ++mixed_steps_;
  if (without.seconds == 0) return;
  const size_t size = SizeOf(rows);
  // As if it grew with the rows up to those of the size, which is the most that it can be.
  const double added = (seconds - without.seconds) * std::max(1.0, kSizes[size] / rows);
  LearnAdded(DepthOf(position), size, std::max(added, kLeastSeconds), kMostAdded * without.seconds);
}

uint32_t PromptBudget::Rows(size_t generating, uint32_t position) const {
  const Without& without = without_[LoadOf(generating)];
  const bool look = without.seconds == 0 || mixed_steps_ >= without.seen_after + kLookAgain;
  if (look && mixed_steps_ >= seen_after_ + kLookAtOther) return 0;
  const double seconds = StepSeconds(generating);
  const size_t size = seconds == 0 ? kFirstSize : Choose(DepthOf(position), kMostAdded * seconds);
  return std::min(most_, kSizes[size]);
}

// The index of the size that Rows gives, before `most_`.
size_t PromptBudget::Choose(size_t depth, double most_seconds) const {
  const auto is_known = [](const Added& added) { return added.seconds > 0; };
  // What was seen as far down, or at least next to that.
  size_t seen = depth;
  while (seen > 0 && std::none_of(added_[seen].begin(), added_[seen].end(), is_known)) --seen;
  const Sizes& added = added_[seen];
  const auto smallest = std::find_if(added.begin(), added.end(), is_known);
  if (smallest == added.end()) return kFirstSize;
  // One row goes in any case, and with it those that are known to cost no more.
  const bool may_grow = seen == depth && added[0].seconds <= most_seconds;
  most_seconds = std::max(most_seconds, kAsGoodAsFree * added[0].seconds);
  for (size_t size = added.size(); size-- > 0;) {
    if (!is_known(added[size]) || added[size].seconds > most_seconds) continue;
    const bool may_try = may_grow && size + 1 < added.size() && MayTry(depth, size + 1);
    return may_try ? size + 1 : size;
  }
  // All that is known is too slow: by proportion, which is the least that fewer rows may cost.
  const auto least = static_cast<size_t>(smallest - added.begin());
  const double rows = kSizes[least] * most_seconds / smallest->seconds;
  return std::min(SizeOf(rows), least == 0 ? 0 : least - 1);
}

// Not where it was too much less far down.
bool PromptBudget::MayTry(size_t depth, size_t size) const {
  return std::all_of(added_.begin(), added_.begin() + depth + 1, [&](const Sizes& added) {
    return added[size].wait == 0 || mixed_steps_ >= added[size].try_after;
  });
}

void PromptBudget::LearnAdded(size_t depth, size_t size, double seconds, double most_seconds) {
  for (size_t d = 0; d < kDepths; ++d) {
    for (size_t s = 0; s < kSizes.size(); ++s) {
      double& known = added_[d][s].seconds;
      if (known == 0) continue;
      const bool too_little = d >= depth && s >= size && known < seconds;
      const bool too_much = d <= depth && s <= size && known > seconds;
      if (too_little || too_much) Learn(seconds, known);
    }
  }
  Added& added = added_[depth][size];
  const bool is_try = mixed_steps_ > added.try_after;
  if (is_try) added.seconds = seconds;
  if (added.seconds <= most_seconds) {
    added.wait = 0;
    added.try_after = mixed_steps_ + kLookAgain;
  } else if (is_try || added.wait == 0) {
    added.wait = std::clamp(4 * added.wait, kFirstWait, kLongestWait);
    added.try_after = mixed_steps_ + added.wait;
  }
}

size_t PromptBudget::SizeOf(double rows) {
  size_t size = 0;
  while (size + 1 < kSizes.size() && rows - kSizes[size] >= kSizes[size + 1] - rows) ++size;
  return size;
}

size_t PromptBudget::DepthOf(double position) {
  const double depth = std::ceil(2 * std::log2(std::max(position, 256.0) / 256));
  return std::min(static_cast<size_t>(depth), kDepths - 1);
}

size_t PromptBudget::LoadOf(size_t generating) {
  const double load = std::round(4 * std::log2(std::max<size_t>(generating, 1)));
  return std::min(static_cast<size_t>(load), kLoads - 1);
}

// Of steps without prompts with about as many, or with the nearest number that has been; 0 if none
// has.
double PromptBudget::StepSeconds(size_t generating) const {
  const size_t load = LoadOf(generating);
  for (size_t distance = 0; distance < kLoads; ++distance) {
    for (const size_t near : {load - distance, load + distance}) {
      if (near < kLoads && without_[near].seconds > 0) return without_[near].seconds;
    }
  }
  return 0;
}

}  // namespace tern
