// SPDX-License-Identifier: MIT
// How well a model predicts a text: exp of the mean negative log-likelihood of its tokens.
#ifndef TERN_MODEL_PERPLEXITY_H_
#define TERN_MODEL_PERPLEXITY_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "absl/status/statusor.h"
#include "model/kv_cache.h"
#include "model/transformer.h"

namespace tern {

struct Perplexity {
  double perplexity = 0;                    // exp(mean_negative_log_likelihood)
  double error = 0;                         // standard error of it
  double mean_negative_log_likelihood = 0;  // natural logarithm, over the scored tokens
  uint64_t tokens = 0;                      // scored
};

// Which tokens count, given what.
struct PerplexityOptions {
  // Tokens a sequence holds.
  uint32_t context = 512;
  // 0: as llama-perplexity counts, so that figures can be compared: the text is cut into sequences
  // of `context` tokens, each with bos in place of its first, whose second half counts. Otherwise
  // sequences begin so many tokens after each other, and their last so many count.
  uint32_t stride = 0;
  // Every token counts, in sequences of one less than `context`, each after a bos: as the sample
  // model's training code does it. Not together with a stride.
  bool every_token = false;
  KvType kv_type = KvType::kF16;
};

// The perplexity of `tokens`, which begin with bos where the tokenizer puts one (but for
// every_token). `progress`, if set, is called with the share done. INVALID_ARGUMENT for fewer
// tokens than one sequence holds (two for every_token), an id past the vocabulary, a context that
// the model does not hold, or a stride past it; errors of SequenceScorer. REQUIRES a model of all
// layers.
absl::StatusOr<Perplexity> MeasurePerplexity(Transformer& model, std::span<const TokenId> tokens,
                                             std::optional<TokenId> bos,
                                             const PerplexityOptions& options,
                                             const std::function<void(float)>& progress = {});

}  // namespace tern

#endif  // TERN_MODEL_PERPLEXITY_H_
