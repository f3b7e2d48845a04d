// SPDX-License-Identifier: MIT
// What a forward pass reads and multiplies, from the weights as they were loaded: what `tern bench`
// holds its speed against.
#ifndef TERN_MODEL_COST_H_
#define TERN_MODEL_COST_H_

#include <cstdint>
#include <string>
#include <vector>

#include "model/config.h"
#include "model/kv_cache.h"

namespace tern {

struct StageWeights;

struct StageCost {
  uint64_t weight_bytes = 0;  // the layers' packed matrices with their scales, read once a batch
  uint64_t head_bytes = 0;    // what greedy logits read once a batch, but for candidates; or 0
  uint64_t weights = 0;       // of the layers' matrices
  uint64_t macs_per_row = 0;  // int8 multiply-adds of those; three a weight that has a group scale
  std::string head;           // how greedy logits are found: "F16, full" or "F16, screened"
  // What multiplies the layers' matrices, each shape once: "640x2560: " and MatrixKernels' names,
  // or "groups" where columns have scales.
  std::vector<std::string> kernels;
};

StageCost CostOf(const StageWeights& weights);

// Bytes of keys and values that attention reads for a row at `position`, over `layers` layers from
// the model's first.
uint64_t KvBytesRead(const ModelConfig& config, uint32_t layers, KvType type, uint32_t position);

}  // namespace tern

#endif  // TERN_MODEL_COST_H_
