// SPDX-License-Identifier: MIT
#include "coordinator/prompt_budget.h"

#include <algorithm>
#include <bit>

namespace tern {
namespace {

// What the prompts' rows may add, as a share of the step without them. The rest up to twice its
// time is for what this does not foresee.
constexpr double kMostAdded = 0.6;

// Several rows that add at most so many times what one adds go as that one does.
constexpr double kAsGoodAsFree = 1.1;

constexpr size_t kFirstSize = 5;  // an index: 8 rows to begin with, when nothing is known

// After so many steps with prompts there is one without.
constexpr uint32_t kLookAgain = 64;

// What a size that is too large is taken to cost then, of what it was: it is tried again in the
// end, as it may have been something else that made it slow.
constexpr double kForget = 0.97;

constexpr double kWeightOfNew = 0.2;

size_t Slot(size_t generating) {
  return std::min<size_t>(static_cast<size_t>(std::bit_width(generating)), 15);
}

void Learn(double value, double& known) {
  known = known == 0 ? value : known + kWeightOfNew * (value - known);
}

}  // namespace

void PromptBudget::OnStep(size_t generating, double prompt_rows, absl::Duration took) {
  const double seconds = absl::ToDoubleSeconds(took);
  if (prompt_rows == 0) mixed_steps_ = 0;
  if (seconds <= 0) return;
  if (prompt_rows == 0) return Learn(seconds, step_seconds_[Slot(generating)]);
  const double without = StepSeconds(generating);
  if (without == 0) return;
  const size_t size = SizeOf(prompt_rows);
  // Never free, as 0 is not known.
  Learn(std::max(seconds - without, 0.001 * without), added_seconds_[size]);
  if (++mixed_steps_ == kLookAgain) CheapenLargerThan(size);
}

uint32_t PromptBudget::Rows(size_t generating) const {
  if (mixed_steps_ >= kLookAgain) return 0;
  const double without = StepSeconds(generating);
  const size_t size = without == 0 ? kFirstSize : Choose(kMostAdded * without);
  return std::min(most_, kSizes[size]);
}

size_t PromptBudget::Choose(double most_added) const {
  const auto known = [&](size_t size) { return added_seconds_[size] > 0; };
  size_t smallest = 0;
  while (smallest < kSizes.size() && !known(smallest)) ++smallest;
  if (smallest == kSizes.size()) return kFirstSize;
  // One row goes in any case, and with it those that cost no more.
  if (known(0)) most_added = std::max(most_added, kAsGoodAsFree * added_seconds_[0]);
  for (size_t size = kSizes.size(); size-- > 0;) {
    if (!known(size) || added_seconds_[size] > most_added) continue;
    const bool may_try = size + 1 < kSizes.size() && !known(size + 1) && kSizes[size] < most_;
    return may_try ? size + 1 : size;
  }
  // All that is known is too slow: by proportion, which is the least that fewer rows may cost.
  const double rows = kSizes[smallest] * most_added / added_seconds_[smallest];
  return std::min(SizeOf(rows), smallest == 0 ? 0 : smallest - 1);
}

size_t PromptBudget::SizeOf(double rows) {
  size_t size = 0;
  while (size + 1 < kSizes.size() && rows - kSizes[size] >= kSizes[size + 1] - rows) ++size;
  return size;
}

void PromptBudget::CheapenLargerThan(size_t size) {
  for (++size; size < kSizes.size(); ++size) added_seconds_[size] *= kForget;
}

// With about as many, or with the nearest number that has been.
double PromptBudget::StepSeconds(size_t generating) const {
  const size_t slot = Slot(generating);
  for (size_t distance = 0; distance < step_seconds_.size(); ++distance) {
    if (distance <= slot && step_seconds_[slot - distance] > 0) {
      return step_seconds_[slot - distance];
    }
    const size_t above = slot + distance;
    if (above < step_seconds_.size() && step_seconds_[above] > 0) return step_seconds_[above];
  }
  return 0;
}

}  // namespace tern
