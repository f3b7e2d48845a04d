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
// several rows at once. And a row far down a prompt attends to all before it, which may cost more
// than all else. So what steps took is remembered by how many rows they had and how far down those
// were, and the next larger size is tried where the one before was cheap enough. More rows, or rows
// further down, never take less time: where what is remembered says so, what came last is right.
//
// Thread-compatible.
class PromptBudget {
 public:
  // Never gives more than `most` rows, at least 1.
  explicit PromptBudget(uint32_t most) : most_(most) {}

  // A step with rows of sequences that generate came back `took` after it was sent, when so many
  // generated. It and the steps ahead of it had `rows` rows of prompts each, at `position` in their
  // prompts, both on average.
  void OnStep(size_t generating, double rows, double position, absl::Duration took);

  // Rows of prompts for each step while so many sequences generate, if they are at `position`. At
  // least 1, but 0 when it has to be seen again how long a step takes without.
  uint32_t Rows(size_t generating, uint32_t position) const;

 private:
  // Rows that are tried; each about half as much again as the one before.
  static constexpr std::array<uint32_t, 17> kSizes = {1,  2,  3,  4,  6,   8,   12,  16, 24,
                                                      32, 48, 64, 96, 128, 192, 256, 384};

  // Positions up to 256, 362, 512, 724, 1,024 ... 32,768, and all others.
  static constexpr size_t kDepths = 16;
  // Sequences that generate: 1, 2, 3, 4, 5 ... by steps of about a fifth.
  static constexpr size_t kLoads = 64;

  // Steps without rows of prompts.
  struct Without {
    double seconds = 0;       // 0: not seen
    uint64_t seen_after = 0;  // so many mixed steps
  };
  // What rows of prompts add.
  struct Added {
    double seconds = 0;      // 0: not seen
    uint32_t wait = 0;       // mixed steps from one try to the next; 0 while it is not too much
    uint64_t try_after = 0;  // so many mixed steps
  };
  using Sizes = std::array<Added, kSizes.size()>;

  // Indices, of the nearest.
  static size_t SizeOf(double rows);
  static size_t DepthOf(double position);
  static size_t LoadOf(size_t generating);

  double StepSeconds(size_t generating) const;
  size_t Choose(size_t depth, double most_seconds) const;
  bool MayTry(size_t depth, size_t size) const;
  void LearnAdded(size_t depth, size_t size, double seconds, double most_seconds);

  uint32_t most_;
  std::array<Without, kLoads> without_ = {};
  std::array<Sizes, kDepths> added_ = {};
  uint64_t mixed_steps_ = 0;  // that came back
  uint64_t seen_after_ = 0;   // so many of them, the last step without prompts
};

}  // namespace tern

#endif  // TERN_COORDINATOR_PROMPT_BUDGET_H_
