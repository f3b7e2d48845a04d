// SPDX-License-Identifier: MIT
#include "partition/order_guess.h"

#include <algorithm>
#include <random>
#include <utility>

#include "partition/cut.h"

namespace tern {
namespace {

// All workers in an order; the first `stages` form the pipeline.
class Guess {
 public:
  Guess(const CostModel& costs, const std::vector<WorkerKind>& kinds, const Prices& prices,
        uint32_t stages, double limit)
      : layers_(costs.config().layers),
        prices_(prices),
        stages_(stages),
        best_{limit, {}},
        kind_of_(costs.workers().size()) {
    for (size_t kind = 0; kind < kinds.size(); ++kind) {
      for (const size_t worker : kinds[kind].workers) kind_of_[worker] = kind;
    }
  }

  // Takes the order if it is better than the best so far.
  bool Try(const std::vector<size_t>& order) {
    const std::span<const size_t> used(order.data(), stages_);
    std::optional<Cut> cut = BestCut(used, layers_, prices_, best_.folded);
    if (!cut.has_value()) return false;
    best_.folded = cut->folded;
    best_.ranges = std::move(cut->ranges);
    order_ = order;
    return true;
  }

  // Exchanges two workers of different kinds, of which one is used, and keeps what is better.
  void Improve(uint32_t attempts) {
    std::mt19937_64 random;  // seeded alike every time
    std::vector<size_t> order = order_;
    for (uint32_t attempt = 0; attempt < attempts && !order.empty(); ++attempt) {
      const size_t a = random() % stages_, b = random() % order.size();
      if (kind_of_[order[a]] == kind_of_[order[b]]) continue;
      std::swap(order[a], order[b]);
      if (!Try(order)) std::swap(order[a], order[b]);
    }
  }

  std::optional<StageChoice> Found() const {
    if (order_.empty()) return std::nullopt;
    StageChoice found{best_.folded, {}};
    for (size_t stage = 0; stage < stages_; ++stage) {
      found.stages.push_back({order_[stage], best_.ranges[stage]});
    }
    return found;
  }

 private:
  const uint32_t layers_;
  const Prices& prices_;
  const uint32_t stages_;
  Cut best_;
  std::vector<size_t> order_;    // of the best; empty: none yet
  std::vector<size_t> kind_of_;  // [workers]
};

}  // namespace

std::optional<StageChoice> GuessOrder(const CostModel& costs, const std::vector<WorkerKind>& kinds,
                                      const Prices& prices, uint32_t stages, double limit,
                                      uint32_t attempts) {
  const std::vector<WorkerProfile>& workers = costs.workers();
  std::vector<double> layer_seconds;
  const StepShape step = costs.LoadedStep(Prices::Rows(costs.options(), stages));
  for (size_t worker = 0; worker < workers.size(); ++worker) {
    layer_seconds.push_back(costs.Price(worker, step).global_layer);
  }
  std::vector<size_t> fastest(workers.size());
  for (size_t worker = 0; worker < workers.size(); ++worker) fastest[worker] = worker;
  std::vector<size_t> largest = fastest;
  std::stable_sort(fastest.begin(), fastest.end(),
                   [&](size_t a, size_t b) { return layer_seconds[a] < layer_seconds[b]; });
  std::stable_sort(largest.begin(), largest.end(), [&](size_t a, size_t b) {
    return workers[a].memory_bytes > workers[b].memory_bytes;
  });
  Guess guess(costs, kinds, prices, stages, limit);
  guess.Try(fastest);
  guess.Try(largest);
  guess.Improve(attempts);
  return guess.Found();
}

}  // namespace tern
