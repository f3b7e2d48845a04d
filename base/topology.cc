// SPDX-License-Identifier: MIT
#include "base/topology.h"

#include <hwloc.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/control_group.h"
#include "base/status_macros.h"

namespace tern {
namespace {

struct DestroyTopology {
  void operator()(hwloc_topology_t topology) const { hwloc_topology_destroy(topology); }
};
using HwlocTopology = std::unique_ptr<hwloc_topology, DestroyTopology>;

// Leaves of the real machine what this process' affinity allows: hwloc knows of control groups
// only.
void ApplyAffinity(hwloc_topology_t topology) {
  if (!hwloc_topology_is_thissystem(topology)) return;
  hwloc_bitmap_t allowed = hwloc_bitmap_alloc();
  if (hwloc_get_cpubind(topology, allowed, HWLOC_CPUBIND_PROCESS) == 0) {
    hwloc_topology_restrict(topology, allowed, 0);
  }
  hwloc_bitmap_free(allowed);
}

absl::StatusOr<HwlocTopology> LoadHwloc() {
  hwloc_topology_t raw = nullptr;
  if (hwloc_topology_init(&raw) != 0) return absl::InternalError("hwloc: cannot initialise");
  HwlocTopology topology(raw);
  if (hwloc_topology_load(raw) != 0) {
    return absl::InternalError("hwloc: cannot read this machine's topology");
  }
  ApplyAffinity(raw);
  return topology;
}

Core MakeCore(hwloc_topology_t topology, hwloc_obj_t object) {
  Core core;
  unsigned cpu = 0;
  hwloc_bitmap_foreach_begin(cpu, object->cpuset) core.cpus.push_back(static_cast<int>(cpu));
  hwloc_bitmap_foreach_end();
  const int node = object->nodeset == nullptr ? -1 : hwloc_bitmap_first(object->nodeset);
  core.numa_node = std::max(0, node);
  hwloc_obj_t cache = hwloc_get_ancestor_obj_by_type(topology, HWLOC_OBJ_L3CACHE, object);
  if (cache != nullptr) core.l3_group = static_cast<int>(cache->logical_index);
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

// Small cores may share one among several.
uint64_t L2BytesOfCore(hwloc_topology_t topology) {
  uint64_t least = 0;
  hwloc_obj_t cache = nullptr;
  while ((cache = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_L2CACHE, cache)) != nullptr) {
    const int cores =
        hwloc_get_nbobjs_inside_cpuset_by_type(topology, cache->cpuset, HWLOC_OBJ_CORE);
    const uint64_t share = cache->attr->cache.size / static_cast<uint64_t>(std::max(1, cores));
    least = least == 0 ? share : std::min(least, share);
  }
  return least;
}

uint64_t L3Bytes(hwloc_topology_t topology) {
  hwloc_obj_t cache = hwloc_get_obj_by_type(topology, HWLOC_OBJ_L3CACHE, 0);
  return cache == nullptr ? 0 : cache->attr->cache.size;
}

// A machine without NUMA has one node.
std::vector<NumaNode> Nodes(hwloc_topology_t topology, uint64_t machine_bytes) {
  std::vector<NumaNode> nodes;
  hwloc_obj_t object = nullptr;
  while ((object = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_NUMANODE, object)) != nullptr) {
    nodes.push_back({static_cast<int>(object->os_index), object->attr->numanode.local_memory});
  }
  if (nodes.empty()) nodes.push_back({});
  if (nodes.size() == 1) nodes.front().memory_bytes = machine_bytes;
  std::sort(nodes.begin(), nodes.end(),
            [](const NumaNode& a, const NumaNode& b) { return a.number < b.number; });
  return nodes;
}

std::string Count(size_t n, const char* thing) {
  return absl::StrCat(n, " ", thing, n == 1 ? "" : "s");
}

}  // namespace

std::vector<int> Topology::Cpus() const {
  std::vector<int> cpus;
  for (const Core& core : cores) cpus.insert(cpus.end(), core.cpus.begin(), core.cpus.end());
  return cpus;
}

std::vector<int> Topology::FirstCpus() const {
  std::vector<int> cpus;
  for (const Core& core : cores) cpus.push_back(core.cpus.front());
  return cpus;
}

std::vector<int> Topology::FirstCpus(int numa_node) const {
  std::vector<int> cpus;
  for (const Core& core : cores) {
    if (core.numa_node == numa_node) cpus.push_back(core.cpus.front());
  }
  return cpus;
}

int Topology::NodeOf(const std::vector<int>& cpus) const {
  int node = -1;
  for (const Core& core : cores) {
    const bool taken = std::any_of(core.cpus.begin(), core.cpus.end(), [&](int cpu) {
      return std::find(cpus.begin(), cpus.end(), cpu) != cpus.end();
    });
    if (!taken || node == core.numa_node) continue;
    if (node != -1) return -1;
    node = core.numa_node;
  }
  return node;
}

uint64_t Topology::MemoryBeside(const std::vector<int>& cpus) const {
  if (cpus.empty()) return memory_bytes;
  double of_nodes = 0;
  double cores_taken = 0;
  for (const NumaNode& node : nodes) {
    double taken = 0;
    double all = 0;
    for (const Core& core : cores) {
      if (core.numa_node != node.number) continue;
      const auto mine = std::count_if(core.cpus.begin(), core.cpus.end(), [&](int cpu) {
        return std::find(cpus.begin(), cpus.end(), cpu) != cpus.end();
      });
      // One thread of a core takes all of it, unless the others are taken, too.
      taken += mine == 0 ? 0 : 1;
      all += 1;
    }
    if (all > 0) of_nodes += static_cast<double>(node.memory_bytes) * taken / all;
    cores_taken += taken;
  }
  const double share = cores_taken / static_cast<double>(cores.size());
  return static_cast<uint64_t>(
      std::min(of_nodes, static_cast<double>(memory_bytes) * (memory_limit_bytes > 0 ? share : 1)));
}

std::string Topology::ToString() const {
  std::string text = absl::StrCat(
      Count(packages, "package"), ", ", Count(nodes.size(), "NUMA node"), ", ",
      Count(cores.size(), "core"), ", ",
      absl::StrFormat("%.1f GiB", static_cast<double>(memory_bytes) / (uint64_t{1} << 30)));
  if (processor_quota > 0) {
    absl::StrAppend(&text, ", a quota of ", absl::StrFormat("%.4g", processor_quota),
                    " processors");
  }
  return text;
}

absl::StatusOr<Topology> DetectTopology() {
  TERN_ASSIGN_OR_RETURN(const HwlocTopology hwloc, LoadHwloc());
  Topology result;
  result.packages = std::max(1, hwloc_get_nbobjs_by_type(hwloc.get(), HWLOC_OBJ_PACKAGE));
  result.l3_groups = std::max(1, hwloc_get_nbobjs_by_type(hwloc.get(), HWLOC_OBJ_L3CACHE));
  // Some virtual machines expose no cores, only processing units.
  for (const hwloc_obj_type_t type : {HWLOC_OBJ_CORE, HWLOC_OBJ_PU}) {
    hwloc_obj_t object = nullptr;
    while ((object = hwloc_get_next_obj_by_type(hwloc.get(), type, object)) != nullptr) {
      result.cores.push_back(MakeCore(hwloc.get(), object));
    }
    if (!result.cores.empty()) break;
  }
  if (result.cores.empty()) return absl::InternalError("hwloc: no core is allowed");
  result.memory_bytes = MemoryBytes(hwloc.get());
  result.nodes = Nodes(hwloc.get(), result.memory_bytes);
  result.l2_bytes = L2BytesOfCore(hwloc.get());
  result.l3_bytes = L3Bytes(hwloc.get());
  const ControlGroupLimits limits = ReadControlGroupLimits();
  result.memory_limit_bytes = limits.memory_bytes;
  result.processor_quota = limits.processors;
  if (limits.memory_bytes > 0) {
    result.memory_bytes = std::min(result.memory_bytes, limits.memory_bytes);
  }
  return result;
}

absl::Status PreferMemoryOf(int numa_node) {
  TERN_ASSIGN_OR_RETURN(const HwlocTopology hwloc, LoadHwloc());
  if (hwloc_get_nbobjs_by_type(hwloc.get(), HWLOC_OBJ_NUMANODE) < 2) return absl::OkStatus();
  hwloc_bitmap_t nodes = hwloc_bitmap_alloc();
  hwloc_bitmap_only(nodes, static_cast<unsigned>(numa_node));
  const int failed = hwloc_set_membind(hwloc.get(), nodes, HWLOC_MEMBIND_BIND,
                                       HWLOC_MEMBIND_THREAD | HWLOC_MEMBIND_BYNODESET);
  const int error = errno;
  hwloc_bitmap_free(nodes);
  if (failed == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("cannot prefer the memory of NUMA node ",
                                                    numa_node, ": ", std::strerror(error)));
}

}  // namespace tern
