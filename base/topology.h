// SPDX-License-Identifier: MIT
// What this machine has and what this process may use of it. The only user of hwloc.
#ifndef TERN_BASE_TOPOLOGY_H_
#define TERN_BASE_TOPOLOGY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tern {

struct Core {
  std::vector<int> cpus;  // hardware threads: operating-system numbers, ascending
  int numa_node = 0;      // the number of one of Topology::nodes
  int l3_group = 0;       // cores of the same number share their last cache
};

struct NumaNode {
  int number = 0;  // the operating system's
  uint64_t memory_bytes = 0;
};

// Cores and memory that this process is allowed: by the machine, its affinity and its control
// groups.
struct Topology {
  int packages = 0;
  std::vector<NumaNode> nodes;  // in ascending order
  std::vector<Core> cores;
  int l3_groups = 0;
  uint64_t l2_bytes = 0;      // a core's share of its second-level cache, the least; 0 if unknown
  uint64_t l3_bytes = 0;      // of one cache; 0 if unknown
  uint64_t memory_bytes = 0;  // of the machine, or the control group's limit where that is less
  uint64_t memory_limit_bytes = 0;  // of the control group; 0: none
  double processor_quota = 0;       // of the control group, in processors' time; 0: none

  // Every hardware thread, core by core.
  std::vector<int> Cpus() const;
  // The first hardware thread of each core, of all nodes or of one.
  std::vector<int> FirstCpus() const;
  std::vector<int> FirstCpus(int numa_node) const;

  // The node that all of `cpus` are on; -1 if they are on several, or are none.
  int NodeOf(const std::vector<int>& cpus) const;

  // Bytes for a process that has only `cpus` (none: all) to itself: of every node, the share of its
  // cores, so that several such processes can share the machine.
  uint64_t MemoryBeside(const std::vector<int>& cpus) const;

  // E.g. "1 package, 1 NUMA node, 2 cores, 23.4 GiB".
  std::string ToString() const;
};

// Reads the topology; honours HWLOC_SYNTHETIC and HWLOC_XMLFILE. INTERNAL if hwloc cannot.
absl::StatusOr<Topology> DetectTopology();

// What this thread, and those that it starts from now on, touch first lies on that node where it
// has room. FAILED_PRECONDITION if the system will not; nothing happens on a machine with one node.
absl::Status PreferMemoryOf(int numa_node);

}  // namespace tern

#endif  // TERN_BASE_TOPOLOGY_H_
