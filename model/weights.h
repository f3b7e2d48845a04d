// SPDX-License-Identifier: MIT
// Takes the weights of a stage from a TensorSource into the layouts that the kernels read.
#ifndef TERN_MODEL_WEIGHTS_H_
#define TERN_MODEL_WEIGHTS_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "formats/tensor.h"
#include "model/config.h"
#include "model/embedding.h"
#include "model/head_screen.h"
#include "model/layer.h"
#include "model/transformer.h"

namespace tern {

struct StageWeights {
  std::vector<LayerWeights> layers;  // [range.size()]
  EmbeddingTable embedding;  // empty unless the stage embeds, or has the head and the two are tied
  EmbeddingTable own_head;   // empty unless the stage has a head that is not the embedding
  HeadScreen screen;         // of the head; empty if none was made
  NormWeights output_norm;   // [dim]; empty unless the stage has the last layer

  const EmbeddingTable& head() const { return own_head.empty() ? embedding : own_head; }
};

// Drops what matrices and head are multiplied by from the processors' caches.
void EvictFromCaches(const StageWeights& weights);

// The tensors that a stage of these layers needs, in a fixed order: the embedding, its layers, the
// output norm, the head. REQUIRES a range within the model.
std::vector<TensorSpec> StageTensorSpecs(const ModelConfig& config, LayerRange range);

// Bytes of memory that a tensor takes once loaded.
uint64_t LoadedBytes(const ModelConfig& config, const TensorSpec& tensor);
// Bytes of the screen of a model's head; 0 if it gets none.
uint64_t HeadScreenBytes(const ModelConfig& config);

// Copies and repacks the weights of `range` with the threads of `pool`, each the rows it will
// multiply later; calls `progress`, if set, with the share done. Rows of q and k that are stored
// for interleaved RoPE are put into half-split order. Matrices go into the packing that `kernels`
// wants, or that serves them best by measuring. A dense head of kernels.screen_from_rows rows or
// more gets a screen. Nothing of `source` is kept.
// INVALID_ARGUMENT for a range outside of the model, the source's errors, and DATA_LOSS, naming the
// tensor, for a type or shape that `config` does not want, for scales that differ within a row
// where the config has one scale a row, and for numbers that are not finite.
absl::StatusOr<StageWeights> LoadWeights(const ModelConfig& config, LayerRange range,
                                         const TensorSource& source, const Kernels& kernels,
                                         ThreadPool& pool,
                                         const std::function<void(float)>& progress);

}  // namespace tern

#endif  // TERN_MODEL_WEIGHTS_H_
