// SPDX-License-Identifier: MIT
// What parts of a model cost on workers: seconds of a step, bytes of memory, bytes on links. The
// embedding and the head (with the final norm) count as parts of their own, beside the layers.
#ifndef TERN_PARTITION_COST_MODEL_H_
#define TERN_PARTITION_COST_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "model/config.h"
#include "model/transformer.h"
#include "partition/plan.h"
#include "partition/worker_profile.h"

namespace tern {

// The rows of a step, as far as they cost time.
struct StepShape {
  uint64_t rows = 0;
  uint64_t sampled = 0;          // rows that the head is for
  uint64_t attended = 0;         // keys that rows attend to, summed over the rows
  uint64_t attended_window = 0;  // the same in layers that attend to a window
  uint64_t cached = 0;           // tokens whose keys and values are read, over the sequences
  uint64_t cached_window = 0;
};

// Seconds that the parts of a stage take for a step, on one worker.
struct PartSeconds {
  double global_layer = 0;  // attends to everything
  double local_layer = 0;   // attends to a window
  double embedding = 0;
  double head = 0;
};

// Immutable.
class CostModel {
 public:
  // Errors as of Validate(ClusterProfile); INVALID_ARGUMENT for options that are not numbers within
  // reason. REQUIRES a config that Validate accepts.
  static absl::StatusOr<CostModel> Create(const ModelConfig& config, ClusterProfile cluster,
                                          const PlanOptions& options);

  const ModelConfig& config() const { return config_; }
  const PlanOptions& options() const { return options_; }
  const ClusterProfile& cluster() const { return cluster_; }
  const std::vector<WorkerProfile>& workers() const { return cluster_.workers; }
  uint64_t kv_pages() const { return kv_pages_; }

  // Adds `rows` consecutive rows of a sequence at `position` to a step; `sampled` of them are.
  void AddRows(uint64_t position, uint64_t rows, uint64_t sampled, StepShape& step) const;
  // One row of each of `streams` sequences with options().cached_tokens tokens.
  StepShape DecodeStep(uint64_t streams) const;
  // The same, with the rows of prompts that come for each of its rows (options().prompt_ratio).
  StepShape LoadedStep(uint64_t streams) const;

  PartSeconds Price(size_t worker, const StepShape& step) const;
  double Seconds(const PartSeconds& parts, LayerRange layers) const;

  // The path between two workers, without those before and behind them.
  LinkSpeed Path(size_t from, size_t to) const;
  // Activations of a step that pass a link. What travels beside them is hundreds of times less.
  uint64_t LinkBytes(uint64_t rows) const { return rows * config_.dim * sizeof(float); }

  // Memory of a stage. Weights: a tied embedding counts once. KV: every page, as it is allocated.
  uint64_t WeightBytes(LayerRange layers) const;
  uint64_t KvBytes(LayerRange layers) const { return layer_kv_ * layers.size(); }
  uint64_t HeldBytes(LayerRange layers) const { return WeightBytes(layers) + KvBytes(layers); }
  // What a plan may take of a worker's memory.
  uint64_t UsableBytes(size_t worker) const { return usable_[worker]; }
  bool Fits(size_t worker, LayerRange layers) const {
    return HeldBytes(layers) <= UsableBytes(worker);
  }

  // Bytes of weights that a stage reads for a token: one row of the embedding, all of the head.
  double ReadBytes(LayerRange layers) const;

  // Whether workers are the same to a planner, but for their names.
  bool Alike(size_t a, size_t b) const;
  // Whether paths from and to them are the same.
  bool LinkedAlike(size_t a, size_t b) const;

 private:
  CostModel(const ModelConfig& config, ClusterProfile cluster, const PlanOptions& options);

  uint32_t LocalLayers(LayerRange layers) const {
    return local_before_[layers.end] - local_before_[layers.begin];
  }

  ModelConfig config_;
  ClusterProfile cluster_;
  PlanOptions options_;
  uint64_t kv_pages_ = 0;

  double layer_weights_ = 0;            // ternary, of one layer
  uint64_t kv_token_ = 0;               // bytes that a layer keeps of a token
  std::vector<uint32_t> local_before_;  // [layers + 1]: layers with a window before each
  uint64_t layer_held_ = 0, first_held_ = 0, last_held_ = 0, both_held_ = 0;  // of weights
  uint64_t layer_kv_ = 0;
  uint64_t embedding_row_ = 0, head_read_ = 0;  // bytes
  double head_weights_ = 0;                     // of a ternary head; 0: it is dense

  std::vector<uint64_t> usable_;  // [workers]
  std::map<std::pair<size_t, size_t>, LinkSpeed> pairs_;
  std::vector<bool> has_pairs_;  // [workers]
};

}  // namespace tern

#endif  // TERN_PARTITION_COST_MODEL_H_
