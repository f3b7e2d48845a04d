// SPDX-License-Identifier: MIT
// What the ranks of a job tell of themselves before they work together. Pure but for DescribeRank.
#ifndef TERN_TOOLS_MPI_RANKS_H_
#define TERN_TOOLS_MPI_RANKS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/topology.h"

namespace tern {

struct RankInfo {
  std::string build;      // version
  uint32_t protocol = 0;  // kProtocolVersion
  std::string model;      // digest of its file
  std::string rope;       // digest of its rotary tables
  std::string hostname;   // for people
  std::string machine;    // the same for ranks that share processors
  std::string network;    // the same for ranks of a machine that share its network
  std::string cpus;       // it is allowed, "0-3"
};

// This process, but for the digests.
RankInfo DescribeRank(const Topology& topology);

std::string Encode(const RankInfo& info);
// DATA_LOSS for anything that Encode did not make.
absl::StatusOr<std::vector<RankInfo>> DecodeRanks(const std::vector<std::string>& texts);

// FAILED_PRECONDITION, naming a rank that has another build, protocol, model or rotary tables than
// most have, and both.
absl::Status CheckAlike(const std::vector<RankInfo>& ranks);

// Ranks of one machine that are allowed the same processors share them out.
struct CpuShare {
  size_t part = 0;  // of
  size_t parts = 1;
};
CpuShare ShareOf(const std::vector<RankInfo>& ranks, size_t rank);

// For each rank the number of its host, counted from 0: ranks of one host talk by shared memory.
std::vector<size_t> HostNumbers(const std::vector<RankInfo>& ranks);

// What to warn of: that the launcher allows each rank fewer processors than a fair share of those
// it may use itself. Empty if all is well, or nothing is known.
std::string BindingWarning(size_t allowed_here, size_t allowed_launcher, size_t ranks_here);

// Processors that the process that started this one may use; 0 if that is not known.
size_t LauncherCpus();

}  // namespace tern

#endif  // TERN_TOOLS_MPI_RANKS_H_
