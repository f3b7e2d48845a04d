// SPDX-License-Identifier: MIT
// Sets of processors as people write them.
#ifndef TERN_BASE_CPUSET_H_
#define TERN_BASE_CPUSET_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/topology.h"

namespace tern {

// Parses a wish for processors; of cores one hardware thread is taken, the first:
//   "auto"      every core
//   "numa:N"    the cores of NUMA node N
//   "part:K/N"  the K-th of N equal parts of the cores (K from 1): for N workers on one machine. If
//               there are fewer cores than parts, of their hardware threads; if there are fewer of
//               those, too, as "none"
//   "none"      no pinning: an empty list
//   "0-3,6"     these hardware threads
// INVALID_ARGUMENT for anything else and for processors not allowed here.
absl::StatusOr<std::vector<int>> ParseCpuset(const std::string& text, const Topology& topology);

// "0-3,6" for {6, 0, 1, 2, 3}; "any" for none.
std::string CpusetName(std::vector<int> cpus);

}  // namespace tern

#endif  // TERN_BASE_CPUSET_H_
