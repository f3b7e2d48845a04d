// SPDX-License-Identifier: MIT
// How many rows of prompts a step may carry while sequences generate.
#ifndef TERN_COORDINATOR_PROMPT_BUDGET_H_
#define TERN_COORDINATOR_PROMPT_BUDGET_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

namespace tern {

// So many that a token takes at most about 1.6 times as long as without them: who reads along must
// not wait twice as long because others have long prompts. What rows cost depends on the machines,
// and not in proportion: a second row may cost much and the next two nothing, as kernels multiply
// several rows at once. So what steps of different sizes took is remembered size by size, and the
// next larger size is tried where the one before was cheap enough.
//
// Thread-compatible.
class PromptBudget {
 public:
  // Never gives more than `most` rows, at least 1.
  explicit PromptBudget(uint32_t most) : most_(most) {}

  // A step with rows of sequences that generate came back `took` after it was sent, when so many
  // generated. It and the steps ahead of it had `prompt_rows` rows of prompts each, on average.
  void OnStep(size_t generating, double prompt_rows, absl::Duration took);

  // Rows of prompts for each step while so many sequences generate. At least 1, but 0 when it has
  // to be seen again how long a step takes without.
  uint32_t Rows(size_t generating) const;

 private:
  // Rows that are tried; each about half as much again as the one before.
  static constexpr std::array<uint32_t, 17> kSizes = {1,  2,  3,  4,  6,   8,   12,  16, 24,
                                                      32, 48, 64, 96, 128, 192, 256, 384};

  static size_t SizeOf(double rows);  // its index, the nearest
  // The index of the size that Rows gives, before `most_`.
  size_t Choose(double most_added) const;
  // Of steps without prompts; 0 if not known.
  double StepSeconds(size_t generating) const;
  void CheapenLargerThan(size_t size);

  uint32_t most_;
  // Of steps without prompts, with 1, 2 or 3, 4 to 7 ... sequences that generate; 0: not seen.
  std::array<double, 16> step_seconds_ = {};
  std::array<double, kSizes.size()> added_seconds_ = {};  // by prompts' rows; 0: not seen
  uint32_t mixed_steps_ = 0;  // that came back since one without prompts
};

}  // namespace tern

#endif  // TERN_COORDINATOR_PROMPT_BUDGET_H_
