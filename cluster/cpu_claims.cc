// SPDX-License-Identifier: MIT
#include "cluster/cpu_claims.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/cpuset.h"

namespace tern {

absl::StatusOr<std::vector<int>> CpuClaims::Claim(uint64_t id, const Hello& hello) {
  std::vector<int> cpus = hello.cpus;
  if (hello.automatic) {
    cpus = ChooseCores(hello);
    if (cpus.empty()) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "cpuset auto on ", hello.hostname, ": found no free core (", Owners(hello.host),
          "), want at least one; to share a NUMA node, start its workers with --cpuset part:1/2 "
          "and part:2/2, say, or with --cpuset none"));
    }
  }
  for (const int cpu : cpus) {
    if (OwnerOf(hello.host, cpu) == nullptr) continue;
    return absl::ResourceExhaustedError(absl::StrCat(
        "cpuset ", CpusetName(cpus), " on ", hello.hostname, ": found cpu ", cpu, " taken (",
        Owners(hello.host), "), want processors that no other worker has"));
  }
  if (!cpus.empty()) owners_[id] = {hello.host, hello.name, cpus};
  return cpus;
}

void CpuClaims::Release(uint64_t id) { owners_.erase(id); }

const CpuClaims::Owner* CpuClaims::OwnerOf(const std::string& host, int cpu) const {
  for (const auto& [id, owner] : owners_) {
    if (owner.host != host) continue;
    if (std::find(owner.cpus.begin(), owner.cpus.end(), cpu) != owner.cpus.end()) return &owner;
  }
  return nullptr;
}

// Whoever has one thread of a core has it all.
bool CpuClaims::IsFree(const std::string& host, const HostCore& core) const {
  return std::all_of(core.cpus.begin(), core.cpus.end(),
                     [&](int cpu) { return OwnerOf(host, cpu) == nullptr; });
}

std::vector<int> CpuClaims::ChooseCores(const Hello& hello) const {
  struct Node {
    std::vector<int> free;  // first hardware threads
    bool whole = true;
  };
  std::map<uint32_t, Node> nodes;
  for (const HostCore& core : hello.cores) {
    Node& node = nodes[core.numa_node];
    if (IsFree(hello.host, core)) {
      node.free.push_back(core.cpus.front());
    } else {
      node.whole = false;
    }
  }
  for (const auto& [number, node] : nodes) {
    if (node.whole) return node.free;
  }
  for (const auto& [number, node] : nodes) {
    if (!node.free.empty()) return node.free;
  }
  return {};
}

std::string CpuClaims::Owners(const std::string& host) const {
  std::vector<std::string> owners;
  for (const auto& [id, owner] : owners_) {
    if (owner.host != host) continue;
    owners.push_back(absl::StrCat("worker ", owner.name, " has ", CpusetName(owner.cpus)));
  }
  return absl::StrJoin(owners, ", ");
}

}  // namespace tern
