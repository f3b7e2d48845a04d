// SPDX-License-Identifier: MIT
// One vector for a text: the last token's output, normalised (BitNet's embedding models).
#ifndef TERN_MODEL_EMBEDDER_H_
#define TERN_MODEL_EMBEDDER_H_

#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "model/kv_cache.h"
#include "model/transformer.h"

namespace tern {

// x / |x|, with the sum of squares in double and in order; zeros stay zeros.
void NormaliseVector(std::span<float> x);

// The normalised output after the last of `tokens`, [dim]. INVALID_ARGUMENT for no tokens, more
// than the context holds, or an id past the vocabulary; RESOURCE_EXHAUSTED if there is no memory
// for the KV cache. REQUIRES a model of all layers.
absl::StatusOr<std::vector<float>> EmbedTokens(Transformer& model, std::span<const TokenId> tokens,
                                               KvType kv_type);

}  // namespace tern

#endif  // TERN_MODEL_EMBEDDER_H_
