// SPDX-License-Identifier: MIT
// Logits of whole sequences, position by position: what perplexity and scores are made of.
#ifndef TERN_MODEL_SCORING_H_
#define TERN_MODEL_SCORING_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "model/kv_cache.h"
#include "model/transformer.h"

namespace tern {

// Runs one sequence at a time through a model. Thread-compatible.
class SequenceScorer {
 public:
  // For sequences of up to `context` tokens. `model` must outlive the object. INVALID_ARGUMENT for
  // a context that the model does not hold, FAILED_PRECONDITION for a model without a head,
  // RESOURCE_EXHAUSTED if there is no memory for the KV cache. REQUIRES a model of all layers.
  static absl::StatusOr<SequenceScorer> Create(Transformer& model, uint32_t context,
                                               KvType kv_type);

  // Called with a position and the logits after the token there.
  using Visit = absl::FunctionRef<void(size_t position, std::span<const float> logits)>;
  // Visits the positions from `first` on. INVALID_ARGUMENT for no tokens, too many, or an id past
  // the vocabulary.
  absl::Status Run(std::span<const TokenId> tokens, size_t first, Visit visit);

 private:
  SequenceScorer(Transformer& model, KvCache cache);

  Transformer* model_;
  KvCache cache_;
  AlignedBuffer<float> hidden_;  // [kChunkRows, dim]
  AlignedBuffer<float> logits_;  // [kChunkRows, vocab]
};

// log p of `token` by the softmax of `logits`.
double LogProbability(std::span<const float> logits, TokenId token);

// How well a model predicts the end of a sequence.
struct Score {
  double log_likelihood = 0;  // natural, of all scored tokens together
  size_t tokens = 0;          // scored
  bool greedy = true;         // each is the most likely one
};

// Scores tokens[first..] given those before them. Errors of SequenceScorer; INVALID_ARGUMENT if
// `first` is 0 or there is nothing to score.
absl::StatusOr<Score> ScoreTokens(SequenceScorer& scorer, std::span<const TokenId> tokens,
                                  size_t first);

}  // namespace tern

#endif  // TERN_MODEL_SCORING_H_
