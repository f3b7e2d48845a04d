// SPDX-License-Identifier: MIT
// On which processors the threads of this process run that are no compute threads.
#ifndef TERN_BASE_AFFINITY_H_
#define TERN_BASE_AFFINITY_H_

#include <vector>

#include "absl/status/status.h"

namespace tern {

// Lets every thread that this process has now, and those that they start, run on `cpus` only. A
// ThreadPool made later pins its own threads as it is told. INVALID_ARGUMENT for no processors;
// FAILED_PRECONDITION if the system will not.
absl::Status ConfineThreads(const std::vector<int>& cpus);

}  // namespace tern

#endif  // TERN_BASE_AFFINITY_H_
