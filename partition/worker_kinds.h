// SPDX-License-Identifier: MIT
// Workers sorted into kinds of those that are alike, so that a search need not try one for another.
#ifndef TERN_PARTITION_WORKER_KINDS_H_
#define TERN_PARTITION_WORKER_KINDS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "partition/cost_model.h"

namespace tern {

struct WorkerKind {
  std::vector<size_t> workers;  // ascending; of equal speed, memory and links
  size_t network = 0;           // kinds of the same number have the same links to everybody
  size_t any() const { return workers.front(); }
};

// In order of their first workers. Networks are numbered from 0.
std::vector<WorkerKind> FindKinds(const CostModel& costs);

// How many ways there are to choose some workers of each kind, at most `most` of one; `limit` if
// there are as many or more.
uint64_t CountChoices(const std::vector<WorkerKind>& kinds, size_t most, uint64_t limit);

}  // namespace tern

#endif  // TERN_PARTITION_WORKER_KINDS_H_
