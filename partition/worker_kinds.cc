// SPDX-License-Identifier: MIT
#include "partition/worker_kinds.h"

#include <algorithm>

namespace tern {

std::vector<WorkerKind> FindKinds(const CostModel& costs) {
  std::vector<WorkerKind> kinds;
  size_t networks = 0;
  for (size_t worker = 0; worker < costs.workers().size(); ++worker) {
    const auto alike = std::find_if(kinds.begin(), kinds.end(), [&](const WorkerKind& kind) {
      return costs.Alike(kind.any(), worker);
    });
    if (alike != kinds.end()) {
      alike->workers.push_back(worker);
      continue;
    }
    const auto linked = std::find_if(kinds.begin(), kinds.end(), [&](const WorkerKind& kind) {
      return costs.LinkedAlike(kind.any(), worker);
    });
    const size_t network = linked == kinds.end() ? networks++ : linked->network;
    kinds.push_back({{worker}, network});
  }
  return kinds;
}

uint64_t CountChoices(const std::vector<WorkerKind>& kinds, size_t most, uint64_t limit) {
  uint64_t choices = 1;
  for (const WorkerKind& kind : kinds) {
    choices *= std::min(kind.workers.size(), most) + 1;
    if (choices >= limit) return limit;
  }
  return choices;
}

}  // namespace tern
