// SPDX-License-Identifier: MIT
#include "tools/streams.h"

#include <thread>

#include "base/status_macros.h"
#include "bench/stopwatch.h"

namespace tern {

absl::Status RunStreams(Deployment& deployment, const std::vector<std::vector<TokenId>>& prompts,
                        uint32_t tokens, const std::function<bool(size_t stream)>& on_token,
                        const std::function<void()>& on_end) {
  std::vector<absl::Status> ends(prompts.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < prompts.size(); ++i) {
    threads.emplace_back([&, i] {
      ends[i] = deployment.Generate(prompts[i], tokens, [&] { return on_token(i); });
      on_end();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& end : ends) TERN_RETURN_IF_ERROR(end);
  return absl::OkStatus();
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
