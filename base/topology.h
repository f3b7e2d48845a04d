// SPDX-License-Identifier: MIT
// What this machine has and what this process may use of it. The only user of hwloc.
#ifndef TERN_BASE_TOPOLOGY_H_
#define TERN_BASE_TOPOLOGY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace tern {

struct Core {
  std::vector<int> cpus;  // hardware threads: operating-system numbers, ascending
  int numa_node = 0;
};

// Cores and memory that this process is allowed (cpuset and affinity already applied).
struct Topology {
  int packages = 0;
  int numa_nodes = 0;
  std::vector<Core> cores;
  uint64_t memory_bytes = 0;  // of the machine, or the control group's limit where that is less
  uint64_t l3_bytes = 0;      // of one cache; 0 if unknown

  // E.g. "1 package, 1 NUMA node, 2 cores, 23.4 GiB".
  std::string ToString() const;
};

// Reads the topology; honours HWLOC_SYNTHETIC and HWLOC_XMLFILE. INTERNAL if hwloc cannot.
absl::StatusOr<Topology> DetectTopology();

// Parses a wish for processors; one hardware thread of each core is taken:
//   "auto"      every core
//   "part:K/N"  the K-th of N equal parts of the cores (K from 1), at least one core: for N workers
//               on one machine; with fewer cores than parts, parts share cores
//   "none"      no pinning: an empty list
//   "0-3,6"     these hardware threads
// INVALID_ARGUMENT for anything else and for processors not allowed here.
absl::StatusOr<std::vector<int>> ParseCpuset(const std::string& text, const Topology& topology);

}  // namespace tern

#endif  // TERN_BASE_TOPOLOGY_H_
