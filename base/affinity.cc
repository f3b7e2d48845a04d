// SPDX-License-Identifier: MIT
#include "base/affinity.h"

#include <sched.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace tern {

absl::Status ConfineThreads(const std::vector<int>& cpus) {
  if (cpus.empty()) return absl::InvalidArgumentError("processors: found none, want at least 1");
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus) CPU_SET(cpu, &set);
  std::error_code ignored;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", ignored)) {
    int thread = 0;
    if (!absl::SimpleAtoi(task.path().filename().string(), &thread)) continue;
    // A thread may have ended since the directory was read.
    if (sched_setaffinity(thread, sizeof(set), &set) == 0 || errno == ESRCH) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("cannot confine thread ", thread, ": ", std::strerror(errno)));
  }
  return absl::OkStatus();
}

}  // namespace tern
