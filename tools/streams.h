// SPDX-License-Identifier: MIT
// Requests that a deployment works on at once, and when their tokens come.
#ifndef TERN_TOOLS_STREAMS_H_
#define TERN_TOOLS_STREAMS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "text/tokenizer.h"
#include "tools/deployment.h"

namespace tern {

// Continues each prompt by `tokens`, all at once, a thread each. For each token `on_token` is
// called with the number of its prompt; when it is false, that stream ends. `on_end` is called when
// a stream has ended. Both are called from all of the threads. The first error of
// Deployment::Generate, when every stream has ended.
absl::Status RunStreams(Deployment& deployment, const std::vector<std::vector<TokenId>>& prompts,
                        uint32_t tokens, const std::function<bool(size_t stream)>& on_token,
                        const std::function<void()>& on_end);

// When each token of each stream came, in seconds since the beginning.
using Arrivals = std::vector<std::vector<double>>;

// The same to the end of each, timed.
absl::StatusOr<Arrivals> TimeStreams(Deployment& deployment,
                                     const std::vector<std::vector<TokenId>>& prompts,
                                     uint32_t tokens);

}  // namespace tern

#endif  // TERN_TOOLS_STREAMS_H_
