// SPDX-License-Identifier: MIT
// Which workers run which of several replicas. Pure.
#ifndef TERN_PARTITION_DEAL_WORKERS_H_
#define TERN_PARTITION_DEAL_WORKERS_H_

#include <cstddef>
#include <vector>

namespace tern {

// Deals every worker to one of `replicas`. `kinds` are the workers by kind, each in one of them;
// `hosts` is the number of each worker's host.
//
// Evenness comes first, as replicas stand side by side and share a queue: of each kind, and in all,
// no replica gets more than one worker more than another. Within that a replica's workers are on
// few hosts: it takes what is left on its hosts, then the rest of a host that it needs whole, or
// part of the one with the fewest that are enough. Of a single kind, replicas have together at most
// hosts + replicas - 1 hosts. Among workers that are each on a host of their own it goes round, one
// worker at a time.
//
// Returns the workers of each replica, ascending. REQUIRES replicas > 0.
std::vector<std::vector<size_t>> DealWorkers(const std::vector<std::vector<size_t>>& kinds,
                                             const std::vector<size_t>& hosts, size_t replicas);

}  // namespace tern

#endif  // TERN_PARTITION_DEAL_WORKERS_H_
