// SPDX-License-Identifier: MIT
#include "base/open_files.h"

#include <sys/resource.h>

#include <filesystem>
#include <iterator>
#include <system_error>

namespace tern {

uint64_t RaiseOpenFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  return OpenFileLimit();
}

uint64_t OpenFileLimit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

uint64_t OpenFiles() {
  std::error_code none;
  const std::filesystem::directory_iterator files("/proc/self/fd", none);
  const auto listed = static_cast<uint64_t>(std::distance(begin(files), end(files)));
  return listed == 0 ? 0 : listed - 1;  // one is the folder's
}

}  // namespace tern
