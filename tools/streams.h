// SPDX-License-Identifier: MIT
// Requests that a deployment works on at once, and when their tokens come.
#ifndef TERN_TOOLS_STREAMS_H_
#define TERN_TOOLS_STREAMS_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "text/tokenizer.h"
#include "tools/deployment.h"

namespace tern {

// When each token of each stream came, in seconds since the beginning.
using Arrivals = std::vector<std::vector<double>>;

// Continues each prompt by `tokens`, all at once, a thread each. Errors of Deployment::Generate.
absl::StatusOr<Arrivals> RunStreams(Deployment& deployment,
                                    const std::vector<std::vector<TokenId>>& prompts,
                                    uint32_t tokens);

}  // namespace tern

#endif  // TERN_TOOLS_STREAMS_H_
