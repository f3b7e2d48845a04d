// SPDX-License-Identifier: MIT
#include "tools/streams.h"

#include <thread>

#include "base/status_macros.h"
#include "bench/stopwatch.h"

namespace tern {

absl::StatusOr<Arrivals> RunStreams(Deployment& deployment,
                                    const std::vector<std::vector<TokenId>>& prompts,
                                    uint32_t tokens) {
  Arrivals arrivals(prompts.size());
  std::vector<absl::Status> ends(prompts.size());
  const Stopwatch clock;
  std::vector<std::thread> threads;
  for (size_t i = 0; i < prompts.size(); ++i) {
    threads.emplace_back([&, i] {
      ends[i] = deployment.Generate(prompts[i], tokens, [&] {
        arrivals[i].push_back(clock.Seconds());
        return true;
      });
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& end : ends) TERN_RETURN_IF_ERROR(end);
  return arrivals;
}

}  // namespace tern
