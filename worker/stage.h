// SPDX-License-Identifier: MIT
// One pipeline stage: a range of layers, the KV cache of its sequences, and, on the last one, the
// sampler. Computes; knows no transport.
#ifndef TERN_WORKER_STAGE_H_
#define TERN_WORKER_STAGE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/thread_pool.h"
#include "cluster/frame.h"
#include "kernels/registry.h"
#include "model/kv_cache.h"
#include "model/transformer.h"

namespace tern {

struct StageSpec {
  uint64_t epoch = 0;
  ModelConfig config;
  LayerRange layers;
  KvType kv_type = KvType::kF16;
  uint64_t kv_pages = 0;
};

// Thread-compatible: Run is called by one thread (see stage_runner.h).
class Stage {
 public:
  // `pool` must outlive the stage; `source` is only read here. Errors of Transformer::Load and
  // KvCache::Create.
  static absl::StatusOr<std::unique_ptr<Stage>> Create(
      const StageSpec& spec, const TensorSource& source, const Kernels& kernels, ThreadPool* pool,
      const std::function<void(float)>& progress = {});

  // The same with weights that another stage gave up, which must be those of `spec`.
  static absl::StatusOr<std::unique_ptr<Stage>> Create(const StageSpec& spec,
                                                       std::unique_ptr<Transformer> weights,
                                                       ThreadPool* pool);

  // Gives up the weights; the stage must not run any more.
  std::unique_ptr<Transformer> TakeWeights() { return std::move(transformer_); }

  // Runs one step and returns the frame for the next stage (a StepFrame), or, on the last stage,
  // the ResultFrame. First forgets the sequences that the step releases, then adds the pages that
  // it gives to others. FAILED_PRECONDITION or INVALID_ARGUMENT, with nothing changed, for a step
  // that cannot be for this stage as it is: another epoch, a segment whose position is not the
  // sequence's cached length, pages that do not exist or do not hold its rows, rows, tokens or
  // activations that do not add up.
  absl::StatusOr<Frame> Run(StepFrame step);

  const StageSpec& spec() const { return spec_; }
  bool is_first() const { return spec_.layers.begin == 0; }
  bool is_last() const { return spec_.layers.end == spec_.config.layers; }
  const KvCache& cache() const { return cache_; }
  StageCost Cost() const { return transformer_->Cost(); }
  const HeadStats& head_stats() const { return transformer_->head_stats(); }

 private:
  Stage(const StageSpec& spec, std::unique_ptr<Transformer> transformer, KvCache cache);

  absl::Status CheckStep(const StepFrame& step) const;
  absl::Status CheckSegment(const Segment& segment) const;
  void AddPages(const StepFrame& step);
  absl::Status Compute(StepFrame& step);
  void StoreTokens(const StepFrame& step);
  bool IsScreened(const Segment& segment) const;
  void GatherHistories(const StepFrame& step);
  void GatherRows(const StepFrame& step);
  ResultFrame SampleAll(const StepFrame& step);

  const StageSpec spec_;
  std::unique_ptr<Transformer> transformer_;
  KvCache cache_;
  std::vector<SequenceRows> batch_;  // of the current step

  // Last stage only.
  // The tokens whose keys and values each page holds, for the repetition penalty: also of a
  // sequence that shares its first pages.
  std::vector<TokenId> page_tokens_;  // [pages, kKvPageTokens]
  // Of the current step's segments every token before the sampled one; empty without a penalty.
  std::vector<std::vector<TokenId>> histories_;
  // Sequences whose token the largest logits decide, and those that need all outputs.
  std::vector<TopRequest> requests_;  // [screened sequences]
  std::vector<float> screened_rows_;  // [screened sequences, dim]
  std::vector<float> full_rows_;      // [other sampled sequences, dim]
  std::vector<float> outputs_;        // [other sampled sequences, outputs]
};

}  // namespace tern

#endif  // TERN_WORKER_STAGE_H_
