// SPDX-License-Identifier: MIT
// A plan: which worker runs which layers. Pure; knows nothing of sockets.
#ifndef TERN_PARTITION_PLAN_H_
#define TERN_PARTITION_PLAN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/config.h"
#include "model/kv_cache.h"
#include "model/transformer.h"

namespace tern {

// What the planner knows of a worker.
struct WorkerCapacity {
  std::string name;
  double weights_per_second = 0;  // measured: ternary weights multiplied a second, one row
  uint64_t memory_bytes = 0;      // it may use
};

struct StagePlan {
  size_t worker = 0;  // index into the capacities
  LayerRange layers;
};

// Stages in pipeline order; they cover every layer once, none is empty.
struct Plan {
  std::vector<StagePlan> stages;
  uint64_t kv_pages = 0;  // on every stage
};

struct PlanOptions {
  KvType kv_type = KvType::kF16;
  uint64_t kv_tokens = 0;     // KV cache wanted, over all sequences; the context if that is more
  double memory_share = 0.9;  // of a worker's memory that weights and KV may take
};

// Splits the layers over all `workers`, in the given order, so that the slowest stage is as fast as
// it can be within everybody's memory, and otherwise in proportion to measured speed. Embedding and
// head count as the bytes that they read for a token. If the workers are more than the layers, the
// slowest are left out. RESOURCE_EXHAUSTED, naming a worker, the bytes needed and the bytes there,
// if weights and KV cache do not fit in any way; INVALID_ARGUMENT for no workers or a speed that is
// not positive. REQUIRES a config that Validate accepts.
absl::StatusOr<Plan> PlanBySpeed(const ModelConfig& config,
                                 const std::vector<WorkerCapacity>& workers,
                                 const PlanOptions& options);

}  // namespace tern

#endif  // TERN_PARTITION_PLAN_H_
