// SPDX-License-Identifier: MIT
#include "coordinator/prompt_budget.h"

#include <algorithm>
#include <bit>

namespace tern {
namespace {

// What the prompts' rows may add, as a share of the step without them. The rest up to twice its
// time is for what this does not foresee.
constexpr double kMostAdded = 0.7;

// Rows to begin with, when nothing is known.
constexpr uint32_t kFirstRows = 8;

// After so many steps with prompts there is one without.
constexpr uint32_t kLookAgain = 64;

constexpr double kWeightOfNew = 0.2;

size_t Slot(size_t generating) {
  return std::min<size_t>(static_cast<size_t>(std::bit_width(generating)), 15);
}

void Learn(double value, double& known) {
  known = known == 0 ? value : known + kWeightOfNew * (value - known);
}

}  // namespace

void PromptBudget::OnStep(size_t generating, uint32_t prompt_rows, absl::Duration took) {
  const double seconds = absl::ToDoubleSeconds(took);
  if (prompt_rows == 0) mixed_steps_ = 0;
  if (seconds <= 0) return;
  if (prompt_rows == 0) return Learn(seconds, step_seconds_[Slot(generating)]);
  ++mixed_steps_;
  last_rows_ = prompt_rows;
  const double without = StepSeconds(generating);
  // Never free: else one lucky step would let in as many as there may be.
  if (without > 0) Learn(std::max(seconds - without, 0.01 * without) / prompt_rows, row_seconds_);
}

uint32_t PromptBudget::Rows(size_t generating) const {
  if (mixed_steps_ >= kLookAgain) return 0;
  const double without = StepSeconds(generating);
  if (without == 0 || row_seconds_ == 0) return std::min(kFirstRows, most_);
  // No more than twice what has been seen: a few rows may be free where many are not.
  const uint32_t most = std::min(most_, 2 * std::max(last_rows_, kFirstRows));
  const double rows = kMostAdded * without / row_seconds_;
  return rows >= most ? most : std::max(1u, static_cast<uint32_t>(rows));
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
