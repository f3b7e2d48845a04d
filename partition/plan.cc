// SPDX-License-Identifier: MIT
#include "partition/plan.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/weights.h"

namespace tern {
namespace {

constexpr double kImpossible = std::numeric_limits<double>::infinity();
constexpr double kWeightsPerByte = 4;  // of a ternary matrix

// What a range of layers costs, in bytes.
class Costs {
 public:
  Costs(const ModelConfig& config, uint64_t kv_pages, KvType kv_type) : layers_(config.layers) {
    for (const TensorSpec& tensor : LayerTensors(config, 0)) {
      layer_read_ += LoadedBytes(config, tensor);
    }
    embedding_read_ = LoadedBytes(config, EmbeddingTensor(config)) / config.vocab;
    head_read_ = LoadedBytes(config, OutputNormTensor(config));
    if (config.has_head) head_read_ += LoadedBytes(config, HeadTensor(config));
    // A range with both ends holds the tied embedding once: hence no sum of the two.
    ModelConfig one = config, three = config;
    one.layers = 1;
    three.layers = 3;
    const uint64_t layer = WeightBytes(three, {1, 2});
    first_held_ = WeightBytes(three, {0, 1}) - layer;
    last_held_ = WeightBytes(three, {2, 3}) - layer;
    both_held_ = WeightBytes(one, {0, 1}) - layer;
    layer_held_ = layer + kv_pages * KvPageBytes(config, 1, kv_type);
  }

  // Read to compute one token: the layers, the whole head, one row of the embedding.
  double Read(LayerRange range) const {
    return static_cast<double>(layer_read_ * range.size() +
                               (range.begin == 0 ? embedding_read_ : 0) +
                               (range.end == layers_ ? head_read_ : 0));
  }
  // Held in memory: weights and KV cache.
  uint64_t Held(LayerRange range) const {
    const bool first = range.begin == 0;
    const bool last = range.end == layers_;
    const uint64_t ends = first ? (last ? both_held_ : first_held_) : (last ? last_held_ : 0);
    return layer_held_ * range.size() + ends;
  }

 private:
  const uint32_t layers_;
  uint64_t layer_read_ = 0, embedding_read_ = 0, head_read_ = 0;
  uint64_t layer_held_ = 0, first_held_ = 0, last_held_ = 0, both_held_ = 0;
};

using StageCost = absl::FunctionRef<double(size_t stage, LayerRange layers)>;
using Fold = absl::FunctionRef<double(double stages_before, double stage)>;

// The cut of `layers` into `stages` non-empty ranges whose folded costs are least, and those costs;
// nothing if every cut is impossible. Exact: best[k][j] = min over i of
// fold(best[k - 1][i], cost(k, [i, j))), which asks stages * layers^2 / 2 times.
struct Cut {
  double cost = 0;
  std::vector<LayerRange> ranges;
};
std::optional<Cut> BestCut(size_t stages, uint32_t layers, StageCost cost, Fold fold) {
  std::vector<double> best(layers + 1, kImpossible);  // of the stages so far, over layers [0, j)
  best[0] = 0;
  std::vector<std::vector<uint32_t>> begins(stages, std::vector<uint32_t>(layers + 1));
  for (size_t stage = 0; stage < stages; ++stage) {
    std::vector<double> next(layers + 1, kImpossible);
    for (uint32_t end = 1; end <= layers; ++end) {
      for (uint32_t begin = 0; begin < end; ++begin) {
        if (best[begin] == kImpossible) continue;
        const double folded = fold(best[begin], cost(stage, {begin, end}));
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

absl::Status CheckWorkers(const std::vector<WorkerCapacity>& workers) {
  if (workers.empty()) return absl::InvalidArgumentError("plan: found no workers, want at least 1");
  for (const WorkerCapacity& worker : workers) {
    if (std::isfinite(worker.weights_per_second) && worker.weights_per_second > 0) continue;
    return absl::InvalidArgumentError(absl::StrCat("plan: worker ", worker.name, ": found ",
                                                   worker.weights_per_second,
                                                   " weights per second, want a positive number"));
  }
  return absl::OkStatus();
}

// Indices of the workers to use, in the given order: all, or the fastest if they are more than
// the layers.
std::vector<size_t> ChooseWorkers(const std::vector<WorkerCapacity>& workers, uint32_t layers) {
  std::vector<size_t> chosen(workers.size());
  std::iota(chosen.begin(), chosen.end(), size_t{0});
  if (chosen.size() <= layers) return chosen;
  std::stable_sort(chosen.begin(), chosen.end(), [&](size_t a, size_t b) {
    return workers[a].weights_per_second > workers[b].weights_per_second;
  });
  chosen.resize(layers);
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

// One call of PlanBySpeed: stage k runs on chosen[k].
struct Problem {
  const std::vector<WorkerCapacity>& workers;
  const std::vector<size_t> chosen;
  const Costs costs;
  const double memory_share;

  const WorkerCapacity& WorkerOf(size_t stage) const { return workers[chosen[stage]]; }
  double Seconds(size_t stage, LayerRange layers) const {
    return costs.Read(layers) * kWeightsPerByte / WorkerOf(stage).weights_per_second;
  }
  // Whole bytes that the plan may take.
  uint64_t Usable(size_t stage) const {
    const double share = static_cast<double>(WorkerOf(stage).memory_bytes) * memory_share;
    return share > 0 ? static_cast<uint64_t>(share) : 0;
  }
  double SecondsIfFits(size_t stage, LayerRange layers) const {
    return costs.Held(layers) <= Usable(stage) ? Seconds(stage, layers) : kImpossible;
  }
};

// Says where the cut that would be best fails.
absl::Status NoRoom(const Problem& problem, const std::vector<LayerRange>& wanted) {
  for (size_t stage = 0; stage < wanted.size(); ++stage) {
    const uint64_t held = problem.costs.Held(wanted[stage]);
    if (held <= problem.Usable(stage)) continue;
    return absl::ResourceExhaustedError(absl::StrCat(
        "plan: worker ", problem.WorkerOf(stage).name, ": layers [", wanted[stage].begin, ", ",
        wanted[stage].end, ") and their KV cache need ", held, " bytes, found ",
        problem.Usable(stage), " to use; nor does any other cut fit"));
  }
  return absl::ResourceExhaustedError("plan: no cut of the layers fits the workers' memory");
}

}  // namespace

absl::StatusOr<Plan> PlanBySpeed(const ModelConfig& config,
                                 const std::vector<WorkerCapacity>& workers,
                                 const PlanOptions& options) {
  TERN_RETURN_IF_ERROR(CheckWorkers(workers));
  Plan plan;
  plan.kv_pages = KvPagesFor(std::max<uint64_t>(options.kv_tokens, config.context));
  const Problem problem{workers, ChooseWorkers(workers, config.layers),
                        Costs(config, plan.kv_pages, options.kv_type), options.memory_share};
  const size_t stages = problem.chosen.size();

  // The slowest stage sets the pace.
  const auto slowest = [](double before, double stage) { return std::max(before, stage); };
  const auto seconds = [&](size_t stage, LayerRange layers) {
    return problem.Seconds(stage, layers);
  };
  const auto seconds_if_fits = [&](size_t stage, LayerRange layers) {
    return problem.SecondsIfFits(stage, layers);
  };
  const std::optional<Cut> fastest = BestCut(stages, config.layers, seconds_if_fits, slowest);
  if (!fastest.has_value()) {
    return NoRoom(problem, BestCut(stages, config.layers, seconds, slowest)->ranges);
  }

  // Among the cuts of that pace the one nearest to the workers' speeds: bytes * seconds, summed, is
  // least where bytes are in proportion to speed.
  const auto unevenness = [&](size_t stage, LayerRange layers) {
    const double time = problem.SecondsIfFits(stage, layers);
    return time <= fastest->cost ? problem.costs.Read(layers) * time : kImpossible;
  };
  const Cut even = *BestCut(stages, config.layers, unevenness, std::plus<double>());
  for (size_t stage = 0; stage < stages; ++stage) {
    plan.stages.push_back({problem.chosen[stage], even.ranges[stage]});
  }
  return plan;
}

}  // namespace tern
