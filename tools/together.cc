// SPDX-License-Identifier: MIT
#include "tools/together.h"

#include <thread>
#include <vector>

namespace tern {

absl::Status RunTogether(size_t count, const std::function<absl::Status(size_t)>& run) {
  std::vector<absl::Status> ends(count);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < count; ++i) threads.emplace_back([&, i] { ends[i] = run(i); });
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& end : ends) {
    if (!end.ok()) return end;
  }
  return absl::OkStatus();
}

}  // namespace tern
