// SPDX-License-Identifier: MIT
// Which workers form a pipeline, in which order, where they are too many for an exact search.
#ifndef TERN_PARTITION_ORDER_GUESS_H_
#define TERN_PARTITION_ORDER_GUESS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "partition/order_search.h"

namespace tern {

// A good pipeline of `stages` stages whose price is below `limit`, not always the best: the fastest
// workers, or those with most memory, improved by `attempts` random exchanges. May find nothing
// where hardly any pipeline fits. The same every time.
std::optional<StageChoice> GuessOrder(const CostModel& costs, const std::vector<WorkerKind>& kinds,
                                      const Prices& prices, uint32_t stages, double limit,
                                      uint32_t attempts);

}  // namespace tern

#endif  // TERN_PARTITION_ORDER_GUESS_H_
