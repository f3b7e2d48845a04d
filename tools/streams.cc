// SPDX-License-Identifier: MIT
#include "tools/streams.h"

#include "base/status_macros.h"
#include "bench/stopwatch.h"
#include "tools/together.h"

namespace tern {

absl::Status RunStreams(Deployment& deployment, const std::vector<std::vector<TokenId>>& prompts,
                        uint32_t tokens, const std::function<bool(size_t stream)>& on_token,
                        const std::function<void()>& on_end) {
  return RunTogether(prompts.size(), [&](size_t stream) {
    const absl::Status status =
        deployment.Generate(prompts[stream], tokens, [&] { return on_token(stream); });
    on_end();
    return status;
  });
}

absl::StatusOr<Arrivals> TimeStreams(Deployment& deployment,
                                     const std::vector<std::vector<TokenId>>& prompts,
                                     uint32_t tokens) {
  Arrivals arrivals(prompts.size());
  const Stopwatch clock;
  const auto on_token = [&](size_t stream) {
    arrivals[stream].push_back(clock.Seconds());
    return true;
  };
  TERN_RETURN_IF_ERROR(RunStreams(deployment, prompts, tokens, on_token, [] {}));
  return arrivals;
}

}  // namespace tern
