// SPDX-License-Identifier: MIT
// From a GGUF file's metadata and tensors to a model's shape.
#ifndef TERN_MODEL_GGUF_CONFIG_H_
#define TERN_MODEL_GGUF_CONFIG_H_

#include "absl/status/statusor.h"
#include "formats/gguf.h"
#include "model/config.h"

namespace tern {

// The shape of the model in `file`, checked by Validate, and every tensor it needs checked for
// presence, type and shape. FAILED_PRECONDITION for an architecture that this build does not run
// (the message lists those it does), DATA_LOSS for a missing or ill-shaped tensor or key.
absl::StatusOr<ModelConfig> ReadModelConfig(const GgufFile& file);

}  // namespace tern

#endif  // TERN_MODEL_GGUF_CONFIG_H_
