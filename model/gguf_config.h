// SPDX-License-Identifier: MIT
// From a GGUF file's metadata and tensors to a model's shape, and back.
#ifndef TERN_MODEL_GGUF_CONFIG_H_
#define TERN_MODEL_GGUF_CONFIG_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "formats/gguf.h"
#include "model/config.h"

namespace tern {

// Architectures that this build runs, as general.architecture names them.
std::vector<std::string> KnownArchitectures();

// The shape of the model in `file`, checked by Validate, and every tensor it needs checked in
// `tensors` for presence, type and shape: the file itself, or a source over it that turns dense
// matrices into ternary ones. FAILED_PRECONDITION for an architecture, a feature or a tensor type
// that this build does not run (the message says what it does run), DATA_LOSS for a missing or
// ill-shaped tensor or key.
absl::StatusOr<ModelConfig> ReadModelConfig(const GgufFile& file, const TensorSource& tensors);

// Appends general.architecture and the keys from which ReadModelConfig makes an equal config, given
// tensors of its types. A config of Hugging Face's row order (interleaved_rope false) under
// `llama` must have been reordered: REQUIRES interleaved_rope for that architecture.
void AppendModelConfig(const ModelConfig& config,
                       std::vector<std::pair<std::string, GgufValue>>& metadata);

}  // namespace tern

#endif  // TERN_MODEL_GGUF_CONFIG_H_
