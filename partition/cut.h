// SPDX-License-Identifier: MIT
// The best cut of the layers for workers in a fixed order.
#ifndef TERN_PARTITION_CUT_H_
#define TERN_PARTITION_CUT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "model/transformer.h"
#include "partition/prices.h"

namespace tern {

struct Cut {
  double folded = 0;               // price of all of it
  std::vector<LayerRange> ranges;  // [stages]
};

// Stage k gets ranges[k], which is not empty. Nothing if no cut is below `limit`. Exact:
//   best[k][j] = min over i of fold(fold(best[k - 1][i], link(k - 1, k)), stage(k, [i, j))).
struct CutPrices {
  absl::FunctionRef<double(size_t stage, LayerRange layers)> stage;
  absl::FunctionRef<double(size_t stage)> link_to;  // from the stage before; not asked for 0
  absl::FunctionRef<double(double before, double next)> fold;
};
std::optional<Cut> BestCut(size_t stages, uint32_t layers, const CutPrices& prices,
                           double limit = kImpossible);

// The same by `prices`, for stage k on order[k].
std::optional<Cut> BestCut(std::span<const size_t> order, uint32_t layers, const Prices& prices,
                           double limit = kImpossible);

}  // namespace tern

#endif  // TERN_PARTITION_CUT_H_
