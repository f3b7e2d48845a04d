// SPDX-License-Identifier: MIT
// Which processors of each host belong to which worker. Pure accounts: no processor has two owners.
#ifndef TERN_CLUSTER_CPU_CLAIMS_H_
#define TERN_CLUSTER_CPU_CLAIMS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cluster/messages.h"

namespace tern {

// Thread-compatible.
class CpuClaims {
 public:
  // Gives worker `id` what its Hello asks for, and returns it:
  //   particular processors, if no other worker of the host has any of them;
  //   automatic: one hardware thread of each core of the host's first NUMA node of which no worker
  //     has anything, or else of the free cores of the first node that has some;
  //   nothing, for a worker that is not pinned.
  // RESOURCE_EXHAUSTED, naming who has the processors and what to do, if they are taken.
  // REQUIRES that `id` has none.
  absl::StatusOr<std::vector<int>> Claim(uint64_t id, const Hello& hello);

  // Takes back what `id` has; nothing happens if that is nothing.
  void Release(uint64_t id);

 private:
  struct Owner {
    std::string host;
    std::string name;
    std::vector<int> cpus;
  };

  const Owner* OwnerOf(const std::string& host, int cpu) const;
  bool IsFree(const std::string& host, const HostCore& core) const;
  std::vector<int> ChooseCores(const Hello& hello) const;
  std::string Owners(const std::string& host) const;

  std::map<uint64_t, Owner> owners_;
};

}  // namespace tern

#endif  // TERN_CLUSTER_CPU_CLAIMS_H_
