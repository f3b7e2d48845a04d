// SPDX-License-Identifier: MIT
// How well a model predicts a text: exp of the mean negative log-likelihood of its tokens.
#ifndef TERN_MODEL_PERPLEXITY_H_
#define TERN_MODEL_PERPLEXITY_H_

#include <cstdint>
#include <functional>
#include <span>

#include "absl/status/statusor.h"
#include "model/kv_cache.h"
#include "model/transformer.h"

namespace tern {

struct PerplexityOptions {
  uint32_t window = 512;  // tokens a sequence holds, bos included; at least 2
  KvType kv_type = KvType::kF16;
};

struct Perplexity {
  double perplexity = 0;                    // exp(mean_negative_log_likelihood)
  double mean_negative_log_likelihood = 0;  // natural logarithm, over all tokens
  uint64_t tokens = 0;
};

// The perplexity of `tokens` (without bos), cut into windows of options.window - 1, each preceded
// by `bos`; every token counts. The training code does the same. `progress`, if set, is called with
// the share done. INVALID_ARGUMENT for no tokens, an id past the vocabulary or a window that the
// model's context does not hold; RESOURCE_EXHAUSTED if there is no memory for the KV cache.
// REQUIRES a model of all layers.
absl::StatusOr<Perplexity> MeasurePerplexity(Transformer& model, std::span<const TokenId> tokens,
                                             TokenId bos, const PerplexityOptions& options,
                                             const std::function<void(float)>& progress = {});

}  // namespace tern

#endif  // TERN_MODEL_PERPLEXITY_H_
