// SPDX-License-Identifier: MIT
// What a long prompt does to the pace of short requests beside it.
#ifndef TERN_TOOLS_DISTURBANCE_H_
#define TERN_TOOLS_DISTURBANCE_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "text/tokenizer.h"
#include "tools/deployment.h"

namespace tern {

// Of a short request. It generates so many that what else the machine does shows while short
// requests are alone, too.
inline constexpr uint32_t kShortPrompt = 16;
inline constexpr uint32_t kShortTokens = 192;

struct Disturbance {
  double quiet = 0, disturbed = 0;  // seconds between tokens of short requests, 99th percentile
  double prompt = 0;                // seconds that the long prompt took beside them
};

// A prompt of so many tokens, never the same twice. Thread-safe.
using PromptSource = std::function<std::vector<TokenId>(uint32_t tokens)>;

// Two short requests at a time: first alone, then, one after the other, from before a prompt of
// `long_prompt` tokens comes until it is computed. Errors of Deployment::Generate; INTERNAL if no
// token came beside the prompt.
absl::StatusOr<Disturbance> MeasureDisturbance(Deployment& deployment,
                                               const PromptSource& new_prompt,
                                               uint32_t long_prompt);

}  // namespace tern

#endif  // TERN_TOOLS_DISTURBANCE_H_
