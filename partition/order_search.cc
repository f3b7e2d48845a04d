// SPDX-License-Identifier: MIT
#include "partition/order_search.h"

#include <algorithm>

namespace tern {
namespace {

// The table best[choice][network][layers] and how its entries came about. A choice is the number of
// workers taken of each kind, written as one number with a digit for each kind.
class OrderTable {
 public:
  OrderTable(uint32_t layers, const std::vector<WorkerKind>& kinds, const Prices& prices,
             uint32_t stages, double limit)
      : layers_(layers), kinds_(kinds), prices_(prices), stages_(stages), limit_(limit) {
    for (const WorkerKind& kind : kinds_) {
      strides_.push_back(choices_);
      digits_.push_back(std::min<size_t>(kind.workers.size(), stages_) + 1);
      choices_ *= digits_.back();
      networks_ = std::max(networks_, kind.network + 1);
    }
    entries_.resize(choices_ * networks_ * (layers_ + 1));
    FillStages();
  }

  std::optional<StageChoice> Search() {
    Entry start;
    start.folded = 0;
    ExtendFrom(0, OpenKinds(0), 0, 0, start);
    // A choice has fewer workers than those it is extended to, and a smaller number.
    for (size_t choice = 1; choice < choices_; ++choice) {
      const uint32_t taken = Taken(choice);
      if (taken >= stages_) continue;
      const std::vector<size_t> open = OpenKinds(choice);
      for (size_t network = 0; network < networks_; ++network) {
        for (uint32_t end = taken; end < layers_; ++end) {
          const Entry& entry = At(choice, network, end);
          if (entry.folded < limit_) ExtendFrom(choice, open, taken, end, entry);
        }
      }
    }
    return Best();
  }

 private:
  // Of a pipeline of the chosen workers, in their best order, over layers [0, j).
  struct Entry {
    double folded = kImpossible;
    uint32_t begin = 0;           // of the last stage
    uint16_t kind = 0;            // of the last stage
    uint16_t network_before = 0;  // of the stage before
  };

  Entry& At(size_t choice, size_t network, uint32_t end) {
    return entries_[(choice * networks_ + network) * (layers_ + 1) + end];
  }
  size_t TakenOf(size_t choice, size_t kind) const {
    return choice / strides_[kind] % digits_[kind];
  }
  uint32_t Taken(size_t choice) const {
    size_t taken = 0;
    for (size_t kind = 0; kind < kinds_.size(); ++kind) taken += TakenOf(choice, kind);
    return static_cast<uint32_t>(taken);
  }

  // Kinds that one more worker may be taken of.
  std::vector<size_t> OpenKinds(size_t choice) const {
    std::vector<size_t> open;
    for (size_t kind = 0; kind < kinds_.size(); ++kind) {
      if (TakenOf(choice, kind) + 1 < digits_[kind]) open.push_back(kind);
    }
    return open;
  }

  void FillStages() {
    stage_prices_.resize(kinds_.size() * layers_ * (layers_ + 1), kImpossible);
    for (size_t kind = 0; kind < kinds_.size(); ++kind) {
      for (uint32_t begin = 0; begin < layers_; ++begin) {
        for (uint32_t end = begin + 1; end <= layers_; ++end) {
          stage_prices_[(kind * layers_ + begin) * (layers_ + 1) + end] =
              prices_.Stage(kinds_[kind].any(), {begin, end});
        }
      }
    }
  }
  // Of layers [begin, end), by their end.
  const double* StagePrices(size_t kind, uint32_t begin) const {
    return &stage_prices_[(kind * layers_ + begin) * (layers_ + 1)];
  }

  // Adds one stage, of every open kind and size, to a pipeline of `taken` stages over [0, begin).
  void ExtendFrom(size_t choice, const std::vector<size_t>& open, uint32_t taken, uint32_t begin,
                  const Entry& from) {
    const bool is_last = taken + 1 == stages_;
    const uint32_t most = layers_ - (stages_ - taken - 1);
    for (const size_t kind : open) {
      double before = from.folded;
      uint16_t network_before = 0;
      if (taken > 0) {
        network_before = static_cast<uint16_t>(kinds_[from.kind].network);
        before = prices_.Fold(before, Link(from.kind, kind));
      }
      const double* stage_prices = StagePrices(kind, begin);
      for (uint32_t end = is_last ? layers_ : begin + 1; end <= most; ++end) {
        const double folded = prices_.Fold(before, stage_prices[end]);
        if (folded >= limit_) break;  // nor are more layers better
        Entry& to = At(choice + strides_[kind], kinds_[kind].network, end);
        if (folded >= to.folded) continue;
        to = {folded, begin, static_cast<uint16_t>(kind), network_before};
      }
    }
  }

  // Between two workers, of which there are as many if the kinds are the same.
  double Link(size_t from, size_t to) const {
    return prices_.Link(from == to ? kinds_[from].workers.back() : kinds_[from].any(),
                        kinds_[to].any());
  }

  std::optional<StageChoice> Best() {
    size_t best_choice = 0, best_network = 0;
    double best = limit_;
    for (size_t choice = 1; choice < choices_; ++choice) {
      if (Taken(choice) != stages_) continue;
      for (size_t network = 0; network < networks_; ++network) {
        const double folded = At(choice, network, layers_).folded;
        if (folded >= best) continue;
        best = folded;
        best_choice = choice;
        best_network = network;
      }
    }
    if (best_choice == 0) return std::nullopt;
    return TraceBack(best_choice, best_network);
  }

  StageChoice TraceBack(size_t choice, size_t network) {
    StageChoice found{At(choice, network, layers_).folded, {}};
    std::vector<uint16_t> kinds;
    for (uint32_t end = layers_; end > 0;) {
      const Entry& entry = At(choice, network, end);
      found.stages.push_back({0, {entry.begin, end}});
      kinds.push_back(entry.kind);
      choice -= strides_[entry.kind];
      network = entry.network_before;
      end = entry.begin;
    }
    std::reverse(found.stages.begin(), found.stages.end());
    std::reverse(kinds.begin(), kinds.end());
    std::vector<size_t> used(kinds_.size());
    for (size_t stage = 0; stage < kinds.size(); ++stage) {
      found.stages[stage].worker = kinds_[kinds[stage]].workers[used[kinds[stage]]++];
    }
    return found;
  }

  const uint32_t layers_;
  const std::vector<WorkerKind>& kinds_;
  const Prices& prices_;
  const uint32_t stages_;
  const double limit_;
  size_t choices_ = 1;
  size_t networks_ = 1;
  std::vector<size_t> strides_;  // [kinds]
  std::vector<size_t> digits_;   // [kinds]: of each, one more than may be taken
  std::vector<Entry> entries_;
  std::vector<double> stage_prices_;  // [kinds, layers, layers + 1]
};

}  // namespace

std::optional<StageChoice> SearchOrders(const CostModel& costs,
                                        const std::vector<WorkerKind>& kinds, const Prices& prices,
                                        uint32_t stages, double limit) {
  if (stages == 0 || stages > costs.config().layers) return std::nullopt;
  return OrderTable(costs.config().layers, kinds, prices, stages, limit).Search();
}

}  // namespace tern
