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
#include "model/layer.h"
#include "model/transformer.h"

namespace tern {

struct StageWeights {
  std::vector<LayerWeights> layers;  // [range.size()]
  AlignedBuffer<uint16_t>
      embedding;  // f16 [vocab, dim]; empty unless the stage embeds or has the head
  AlignedBuffer<float> output_norm;  // [dim]; empty unless the stage has the head
};

// Copies and repacks the weights of `range` with the threads of `pool`, each the rows it will
// multiply later; calls `progress`, if set, with the share done. Nothing of `source` is kept.
// INVALID_ARGUMENT for a range outside of the model, the source's errors, and DATA_LOSS, naming the
// tensor, for a type or shape that `config` does not want and for numbers that are not finite.
absl::StatusOr<StageWeights> LoadWeights(const ModelConfig& config, LayerRange range,
                                         const TensorSource& source, ThreadPool& pool,
                                         const std::function<void(float)>& progress);

}  // namespace tern

#endif  // TERN_MODEL_WEIGHTS_H_
