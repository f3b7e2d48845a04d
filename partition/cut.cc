// SPDX-License-Identifier: MIT
#include "partition/cut.h"

#include <utility>

namespace tern {

std::optional<Cut> BestCut(size_t stages, uint32_t layers, const CutPrices& prices, double limit) {
  if (stages == 0 || stages > layers) return std::nullopt;
  std::vector<double> best(layers + 1, kImpossible);  // of the stages so far, over layers [0, j)
  best[0] = 0;
  std::vector<std::vector<uint32_t>> begins(stages, std::vector<uint32_t>(layers + 1));
  for (size_t stage = 0; stage < stages; ++stage) {
    std::vector<double> next(layers + 1, kImpossible);
    const double link = stage == 0 ? 0 : prices.link_to(stage);
    const bool is_last = stage + 1 == stages;
    // Every stage after this one needs a layer.
    const auto most = static_cast<uint32_t>(layers - (stages - 1 - stage));
    for (uint32_t begin = 0; begin < most && link < kImpossible; ++begin) {
      if (best[begin] == kImpossible) continue;
      const double before = stage == 0 ? best[begin] : prices.fold(best[begin], link);
      for (uint32_t end = is_last ? layers : begin + 1; end <= most; ++end) {
        const double folded = prices.fold(before, prices.stage(stage, {begin, end}));
        if (folded >= limit) break;  // so it is with more layers
        if (folded >= next[end]) continue;
        next[end] = folded;
        begins[stage][end] = begin;
      }
    }
    best = std::move(next);
  }
  if (best[layers] == kImpossible) return std::nullopt;
  Cut cut{best[layers], std::vector<LayerRange>(stages)};
  for (size_t stage = stages, end = layers; stage-- > 0;) {
    const uint32_t begin = begins[stage][end];
    cut.ranges[stage] = {begin, static_cast<uint32_t>(end)};
    end = begin;
  }
  return cut;
}

std::optional<Cut> BestCut(std::span<const size_t> order, uint32_t layers, const Prices& prices,
                           double limit) {
  return BestCut(
      order.size(), layers,
      {.stage = [&](size_t stage, LayerRange range) { return prices.Stage(order[stage], range); },
       .link_to = [&](size_t stage) { return prices.Link(order[stage - 1], order[stage]); },
       .fold = [&](double before, double next) { return prices.Fold(before, next); }},
      limit);
}

}  // namespace tern
