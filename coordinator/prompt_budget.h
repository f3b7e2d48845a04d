// SPDX-License-Identifier: MIT
// How many rows of prompts may be in flight beside the rows of sequences that generate.
#ifndef TERN_COORDINATOR_PROMPT_BUDGET_H_
#define TERN_COORDINATOR_PROMPT_BUDGET_H_

#include <array>
#include <cstdint>

#include "absl/time/time.h"

namespace tern {

// So many that a token takes at most about 1.7 times as long as without them, by the steps that
// have been: who reads along must not wait twice as long because others have long prompts. What a
// row costs depends on the machines: where memory is the limit a few are free, where arithmetic is,
// each costs as much as a token.
//
// Thread-compatible.
class PromptBudget {
 public:
  // Never gives more than `most` rows.
  explicit PromptBudget(uint32_t most) : most_(most) {}

  // A step came back `took` after it was sent, with rows of sequences that generate, when so many
  // of these ran. Rows of prompts were in it or ahead of it.
  void OnStep(size_t generating, uint32_t prompt_rows, absl::Duration took);

  // Rows that may be in flight together while so many sequences generate. At least 1, but 0 when it
  // has to be seen again how long a step takes without.
  uint32_t Rows(size_t generating) const;

 private:
  // Of steps without prompts; 0 if not known.
  double StepSeconds(size_t generating) const;

  uint32_t most_;
  // Of 1, 2 or 3, 4 to 7 ... sequences that generate; 0: not seen.
  std::array<double, 16> step_seconds_ = {};
  double row_seconds_ = 0;    // that a row of a prompt adds; 0: not seen
  uint32_t last_rows_ = 0;    // of prompts, of the last step that had some
  uint32_t mixed_steps_ = 0;  // that came back since one without prompts
};

}  // namespace tern

#endif  // TERN_COORDINATOR_PROMPT_BUDGET_H_
