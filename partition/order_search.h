// SPDX-License-Identifier: MIT
// Which workers form a pipeline, in which order, with which layers: the exact search.
#ifndef TERN_PARTITION_ORDER_SEARCH_H_
#define TERN_PARTITION_ORDER_SEARCH_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "partition/cost_model.h"
#include "partition/plan.h"
#include "partition/prices.h"
#include "partition/worker_kinds.h"

namespace tern {

struct StageChoice {
  double folded = 0;  // price of all of it
  std::vector<StagePlan> stages;
};

// The search holds a table of choices * networks * layers entries and looks at up to kinds * layers
// ways to extend each. So many choices are those of 12 different workers.
inline constexpr uint64_t kMostChoices = 4096;

// The best pipeline of `stages` stages whose price is below `limit`; nothing if there is none.
// Exact, over all subsets and orders of workers and all cuts. With c the number of workers taken of
// each kind, n the network of the last, layers [0, j) placed:
//   best[c][n][j] = min over kind k in c, network m, i < j of
//     fold(fold(best[c - k][m][i], link(m, k)), stage(k, [i, j)))  where k is of network n.
// REQUIRES at most kMostChoices choices, of workers as many as layers (CountChoices).
std::optional<StageChoice> SearchOrders(const CostModel& costs,
                                        const std::vector<WorkerKind>& kinds, const Prices& prices,
                                        uint32_t stages, double limit);

}  // namespace tern

#endif  // TERN_PARTITION_ORDER_SEARCH_H_
