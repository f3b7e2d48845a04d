// SPDX-License-Identifier: MIT
#include "partition/planner.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/human_bytes.h"
#include "partition/cut.h"
#include "partition/order_guess.h"
#include "partition/order_search.h"
#include "partition/prices.h"
#include "partition/worker_kinds.h"

namespace tern {
namespace {

// Another order than the given one must be better by this share: measured times differ by as much
// from one start to the next.
constexpr double kReorderGain = 0.02;
// Of guessed orders: the numbers of stages that look best are worth so many attempts each.
constexpr size_t kImproved = 4;
constexpr uint32_t kAttempts = 1000;

struct Candidate {
  double score = kImpossible;
  std::vector<StagePlan> stages;
};

class Planner {
 public:
  explicit Planner(const CostModel& costs)
      : costs_(costs),
        layers_(costs.config().layers),
        kinds_(FindKinds(costs)),
        exact_(CountChoices(kinds_, layers_, kMostChoices + 1) <= kMostChoices) {}

  Candidate Best() {
    const PlanOptions& options = costs_.options();
    auto most = static_cast<uint32_t>(std::min<size_t>(costs_.workers().size(), layers_));
    if (options.max_stages > 0) most = std::min(most, options.max_stages);
    const uint32_t least = options.use_all ? most : std::clamp(options.min_stages, 1u, most);
    if (least == costs_.workers().size()) TryGivenOrder(least);
    if (options.use_all) {
      Try(most, kAttempts);
    } else if (exact_) {
      for (uint32_t stages = least; stages <= most; ++stages) Try(stages, 0);
    } else {
      TryGuesses(least, most);
    }
    return best_;
  }

 private:
  void Try(uint32_t stages, uint32_t attempts) {
    const Prices prices(costs_, stages);
    const double limit = prices.Folded(must_beat_);
    Take(prices, exact_ ? SearchOrders(costs_, kinds_, prices, stages, limit)
                        : GuessOrder(costs_, kinds_, prices, stages, limit, attempts));
  }

  void TryGivenOrder(uint32_t stages) {
    const Prices prices(costs_, stages);
    std::vector<size_t> order(stages);
    std::iota(order.begin(), order.end(), size_t{0});
    const std::optional<Cut> cut = BestCut(order, layers_, prices);
    if (!cut.has_value()) return;
    StageChoice given{cut->folded, {}};
    for (size_t stage = 0; stage < stages; ++stage) {
      given.stages.push_back({order[stage], cut->ranges[stage]});
    }
    Take(prices, given);
    must_beat_ *= 1 - kReorderGain;
  }

  // Guesses for every number of stages; then improves those that look best.
  void TryGuesses(uint32_t least, uint32_t most) {
    std::vector<std::pair<double, uint32_t>> scores;
    for (uint32_t stages = least; stages <= most; ++stages) {
      const Prices prices(costs_, stages);
      const std::optional<StageChoice> found =
          GuessOrder(costs_, kinds_, prices, stages, kImpossible, 0);
      if (found.has_value()) scores.emplace_back(prices.Score(found->folded), stages);
      Take(prices, found);
    }
    std::sort(scores.begin(), scores.end());
    scores.resize(std::min(scores.size(), kImproved));
    for (const auto& [score, stages] : scores) Try(stages, kAttempts);
  }

  void Take(const Prices& prices, const std::optional<StageChoice>& found) {
    if (!found.has_value() || prices.Score(found->folded) >= must_beat_) return;
    must_beat_ = prices.Score(found->folded);
    best_ = {must_beat_, found->stages};
  }

  const CostModel& costs_;
  const uint32_t layers_;
  const std::vector<WorkerKind> kinds_;
  const bool exact_;
  double must_beat_ = kImpossible;
  Candidate best_;
};

// Among the cuts that are as fast, the one nearest to the workers' speeds: bytes * seconds, summed,
// are least where bytes are in proportion to speed.
void EvenOut(const CostModel& costs, std::vector<StagePlan>& stages) {
  const Prices prices(costs, static_cast<uint32_t>(stages.size()));
  double slowest = 0;
  for (const StagePlan& stage : stages) {
    slowest = std::max(slowest, prices.Stage(stage.worker, stage.layers));
  }
  const auto unevenness = [&](size_t stage, LayerRange layers) {
    const double seconds = prices.Stage(stages[stage].worker, layers);
    return seconds <= slowest ? costs.ReadBytes(layers) * seconds : kImpossible;
  };
  const std::optional<Cut> even =
      BestCut(stages.size(), costs.config().layers,
              {.stage = unevenness,
               .link_to = [](size_t) { return 0.0; },
               .fold = [](double before, double next) { return before + next; }});
  for (size_t stage = 0; stage < stages.size(); ++stage) {
    stages[stage].layers = even->ranges[stage];
  }
}

std::string Human(uint64_t bytes) { return HumanBytes(static_cast<double>(bytes)); }

absl::Status NoRoom(const CostModel& costs) {
  const LayerRange all{0, costs.config().layers};
  const size_t workers = costs.workers().size();
  uint64_t usable = 0, largest = 0;
  for (size_t worker = 0; worker < workers; ++worker) {
    usable += costs.UsableBytes(worker);
    largest = std::max(largest, costs.UsableBytes(worker));
  }
  const uint64_t needed = costs.HeldBytes(all);
  std::string text =
      absl::StrCat("memory: weights need ", Human(costs.WeightBytes(all)), " and the KV cache of ",
                   costs.kv_pages() * kKvPageTokens, " tokens ", Human(costs.KvBytes(all)),
                   ", together ", Human(needed), "; found ", Human(usable), " to use on ", workers,
                   workers == 1 ? " worker" : " workers", " (", costs.options().memory_share * 100,
                   " % of their memory)");
  if (usable >= needed) {
    absl::StrAppend(&text, ", in pieces that no cut fits: the first layer and the embedding need ",
                    Human(costs.HeldBytes({0, 1})), ", the largest worker has ", Human(largest));
  }
  return absl::ResourceExhaustedError(text);
}

// Nothing was found: says whether for lack of memory or of speed.
absl::Status NoPlan(const CostModel& costs) {
  PlanOptions options = costs.options();
  if (options.min_tokens_per_second == 0) return NoRoom(costs);
  const double wanted = std::exchange(options.min_tokens_per_second, 0);
  options.objective = Objective::kThroughput;
  options.prompt_ratio = 0;  // as the wanted throughput is of generating alone
  const absl::StatusOr<CostModel> unhurried =
      CostModel::Create(costs.config(), costs.cluster(), options);
  const Candidate fastest = Planner(*unhurried).Best();
  if (fastest.stages.empty()) return NoRoom(costs);
  return absl::ResourceExhaustedError(
      absl::StrFormat("tokens a second: found at most %.4g from %u streams, want %.4g",
                      1 / fastest.score, options.streams, wanted));
}

}  // namespace

absl::StatusOr<Plan> MakePlan(const CostModel& costs) {
  Candidate best = Planner(costs).Best();
  if (best.stages.empty()) return NoPlan(costs);
  if (costs.options().objective == Objective::kThroughput) EvenOut(costs, best.stages);
  return Plan{std::move(best.stages), costs.kv_pages()};
}

}  // namespace tern
