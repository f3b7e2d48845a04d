// SPDX-License-Identifier: MIT
// A plan: which worker runs which layers, and what is wanted of it. partition/planner.h makes one.
#ifndef TERN_PARTITION_PLAN_H_
#define TERN_PARTITION_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/kv_cache.h"
#include "model/transformer.h"

namespace tern {

struct StagePlan {
  size_t worker = 0;  // index into the workers that were planned for
  LayerRange layers;
  bool operator==(const StagePlan&) const = default;
};

// Stages in pipeline order; they cover every layer once, none is empty, no worker has two.
struct Plan {
  std::vector<StagePlan> stages;
  uint64_t kv_pages = 0;  // on every stage
};

enum class Objective : uint8_t {
  kThroughput,  // most tokens a second, all streams together, and their prompts
  kLatency,     // least time for a token of a single stream
};

struct PlanOptions {
  KvType kv_type = KvType::kF16;
  uint64_t kv_tokens = 0;     // KV cache wanted, over all sequences; the context if that is more
  double memory_share = 0.9;  // of a worker's memory that weights and KV may take

  // What the pipeline is judged by.
  Objective objective = Objective::kThroughput;
  double min_tokens_per_second = 0;  // that all streams together must reach
  uint32_t streams = 8;              // that generate at once
  uint32_t cached_tokens = 512;      // of each of them, on average
  // Tokens of prompts for each token that is generated, for kThroughput: their rows go down in the
  // same steps. 0: nothing but generating counts.
  double prompt_ratio = 4;
  // Every worker gets a stage as far as there are layers, in the given order unless another is
  // clearly better. Otherwise workers are left out where that is better.
  bool use_all = false;
  uint32_t min_stages = 1;  // as far as there are workers and layers
  uint32_t max_stages = 0;  // 0: no limit
};

}  // namespace tern

#endif  // TERN_PARTITION_PLAN_H_
