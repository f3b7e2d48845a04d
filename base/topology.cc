// SPDX-License-Identifier: MIT
#include "base/topology.h"

#include <hwloc.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"

namespace tern {
namespace {

struct DestroyTopology {
  void operator()(hwloc_topology_t topology) const { hwloc_topology_destroy(topology); }
};
using HwlocTopology = std::unique_ptr<hwloc_topology, DestroyTopology>;

absl::StatusOr<HwlocTopology> LoadHwloc() {
  hwloc_topology_t raw = nullptr;
  if (hwloc_topology_init(&raw) != 0) return absl::InternalError("hwloc: cannot initialise");
  HwlocTopology topology(raw);
  if (hwloc_topology_load(raw) != 0) {
    return absl::InternalError("hwloc: cannot read this machine's topology");
  }
  return topology;
}

// The least memory limit of the control groups that this process is in; 0 if there is none.
uint64_t ControlGroupMemoryLimit() {
  uint64_t least = 0;
  for (const char* path :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    std::ifstream file(path);
    std::string text;
    uint64_t limit = 0;
    // "max" (version 2) is no number; version 1 says "no limit" by a huge one.
    if (file >> text && absl::SimpleAtoi(text, &limit) && limit < (uint64_t{1} << 60)) {
      least = least == 0 ? limit : std::min(least, limit);
    }
  }
  return least;
}

Core MakeCore(hwloc_obj_t object) {
  Core core;
  unsigned cpu = 0;
  hwloc_bitmap_foreach_begin(cpu, object->cpuset) core.cpus.push_back(static_cast<int>(cpu));
  hwloc_bitmap_foreach_end();
  const int node = object->nodeset == nullptr ? -1 : hwloc_bitmap_first(object->nodeset);
  core.numa_node = std::max(0, node);
  return core;
}

// Of the real machine as the kernel counts it: a virtual machine whose memory was resized after
// boot tells hwloc the size of its NUMA nodes at boot.
uint64_t MemoryBytes(hwloc_topology_t topology) {
  if (hwloc_topology_is_thissystem(topology)) {
    const long pages = sysconf(_SC_PHYS_PAGES);
    const long page_bytes = sysconf(_SC_PAGESIZE);
    if (pages > 0 && page_bytes > 0) return static_cast<uint64_t>(pages) * page_bytes;
  }
  return hwloc_get_root_obj(topology)->total_memory;
}

uint64_t L3Bytes(hwloc_topology_t topology) {
  hwloc_obj_t cache = hwloc_get_obj_by_type(topology, HWLOC_OBJ_L3CACHE, 0);
  return cache == nullptr ? 0 : cache->attr->cache.size;
}

// Reads "3" or "0-3" into `cpus`.
absl::Status AppendCpuRange(absl::string_view item, std::vector<int>& cpus) {
  const std::vector<std::string> ends = absl::StrSplit(item, '-');
  int first = 0;
  int last = 0;
  if (ends.size() > 2 || !absl::SimpleAtoi(ends.front(), &first) ||
      !absl::SimpleAtoi(ends.back(), &last) || first < 0 || last < first || last > 65535) {
    return absl::InvalidArgumentError(absl::StrCat(
        "cpuset: found '", item, "', want 'auto', 'part:K/N', 'none' or a list such as '0-3,6'"));
  }
  for (int cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
  return absl::OkStatus();
}

// Reads "K/N" and returns the K-th of N parts of the cores' first hardware threads.
absl::StatusOr<std::vector<int>> CpusOfPart(absl::string_view text, const Topology& topology) {
  const std::vector<std::string> numbers = absl::StrSplit(text, '/');
  size_t part = 0;
  size_t parts = 0;
  if (numbers.size() != 2 || !absl::SimpleAtoi(numbers[0], &part) ||
      !absl::SimpleAtoi(numbers[1], &parts) || part < 1 || part > parts || parts > 65536) {
    return absl::InvalidArgumentError(
        absl::StrCat("cpuset: found 'part:", text, "', want e.g. 'part:1/2'"));
  }
  const size_t cores = topology.cores.size();
  const size_t begin = (part - 1) * cores / parts;
  const size_t end = std::max(begin + 1, part * cores / parts);
  std::vector<int> cpus;
  for (size_t i = begin; i < end; ++i) cpus.push_back(topology.cores[i].cpus.front());
  return cpus;
}

}  // namespace

std::string Topology::ToString() const {
  const auto count = [](size_t n, const char* thing) {
    return absl::StrCat(n, " ", thing, n == 1 ? "" : "s");
  };
  return absl::StrCat(count(packages, "package"), ", ", count(numa_nodes, "NUMA node"), ", ",
                      count(cores.size(), "core"), ", ",
                      absl::StrFormat("%.1f GiB", static_cast<double>(memory_bytes) / (1 << 30)));
}

absl::StatusOr<Topology> DetectTopology() {
  TERN_ASSIGN_OR_RETURN(const HwlocTopology hwloc, LoadHwloc());
  Topology result;
  result.packages = std::max(1, hwloc_get_nbobjs_by_type(hwloc.get(), HWLOC_OBJ_PACKAGE));
  result.numa_nodes = std::max(1, hwloc_get_nbobjs_by_type(hwloc.get(), HWLOC_OBJ_NUMANODE));
  // Some virtual machines expose no cores, only processing units.
  for (const hwloc_obj_type_t type : {HWLOC_OBJ_CORE, HWLOC_OBJ_PU}) {
    hwloc_obj_t object = nullptr;
    while ((object = hwloc_get_next_obj_by_type(hwloc.get(), type, object)) != nullptr) {
      result.cores.push_back(MakeCore(object));
    }
    if (!result.cores.empty()) break;
  }
  if (result.cores.empty()) return absl::InternalError("hwloc: no core is allowed");
  result.memory_bytes = MemoryBytes(hwloc.get());
  const uint64_t limit = ControlGroupMemoryLimit();
  if (limit != 0) result.memory_bytes = std::min(result.memory_bytes, limit);
  result.l3_bytes = L3Bytes(hwloc.get());
  return result;
}

absl::StatusOr<std::vector<int>> ParseCpuset(const std::string& text, const Topology& topology) {
  std::vector<int> cpus;
  if (text == "none") return cpus;
  if (text == "auto") {
    for (const Core& core : topology.cores) cpus.push_back(core.cpus.front());
    return cpus;
  }
  if (absl::StartsWith(text, "part:")) return CpusOfPart(text.substr(5), topology);
  for (const absl::string_view item : absl::StrSplit(text, ',')) {
    TERN_RETURN_IF_ERROR(AppendCpuRange(item, cpus));
  }
  for (const int cpu : cpus) {
    const bool allowed =
        std::any_of(topology.cores.begin(), topology.cores.end(), [cpu](const Core& core) {
          return std::find(core.cpus.begin(), core.cpus.end(), cpu) != core.cpus.end();
        });
    if (!allowed) {
      return absl::InvalidArgumentError(absl::StrCat("cpuset: found cpu ", cpu,
                                                     ", which this process may not use or the "
                                                     "machine does not have"));
    }
  }
  return cpus;
}

}  // namespace tern
