// SPDX-License-Identifier: MIT
// Chooses the next token from logits. Pure: the same arguments give the same token everywhere.
#ifndef TERN_MODEL_SAMPLER_H_
#define TERN_MODEL_SAMPLER_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "text/tokenizer.h"

namespace tern {

// Applied in this order: repetition penalty, temperature, top-k, top-p, min-p. Defaults are those
// of `tern generate`.
struct SamplingParams {
  float temperature = 0.8f;         // in [0, 100]; 0: greedy, the first of the largest logits
  uint32_t top_k = 40;              // 0: all
  float top_p = 0.95f;              // in (0, 1]; 1: all
  float min_p = 0.0f;               // in [0, 1]: least probability as a share of the largest
  float repetition_penalty = 1.0f;  // in [1, 10]; divides positive logits of tokens seen before
  uint64_t seed = 0;
  uint32_t logprobs = 0;  // most likely tokens to report with each token, at most 20

  bool operator==(const SamplingParams&) const = default;
};

// INVALID_ARGUMENT, naming the field, what was found and what is allowed.
absl::Status Validate(const SamplingParams& params);

// A logit before any penalty, and its token.
struct TokenLogit {
  TokenId token = 0;
  float logit = 0;
  bool operator==(const TokenLogit&) const = default;
};

// The logit of a token that was seen before. Never turns the order of two logits round.
inline float Penalised(float logit, float penalty) {
  return logit > 0 ? logit / penalty : logit * penalty;
}

struct TokenLogprob {
  TokenId token = 0;
  float logprob = 0;  // natural logarithm of the probability under the unmodified logits
  bool operator==(const TokenLogprob&) const = default;
};

struct SampledToken {
  TokenLogprob chosen;            // logprob is computed only if params.logprobs > 0, else 0
  std::vector<TokenLogprob> top;  // params.logprobs entries, most likely first
  bool operator==(const SampledToken&) const = default;
};

// The logarithm of the sum of e^logit: a token's log-probability is its logit less this. The same
// bits on every machine.
double LogSumExp(std::span<const float> logits);

// Samples the token at `position` (tokens before it in the sequence). `history` is every token of
// the sequence so far. The random number is Philox4x32-10 (Salmon et al., SC 2011) of
// (seed, position): replay needs no saved state. Candidates of equal logit are ordered by id.
// REQUIRES at least one logit and params that Validate accepts.
SampledToken SampleToken(std::span<const float> logits, const SamplingParams& params,
                         uint64_t position, std::span<const TokenId> history);

// How many of the largest logits, after penalties, decide the token; 0: all do.
uint32_t DecidingLogits(const SamplingParams& params);

// The same token from those logits alone. `candidates` are in ascending order of tokens and include
// the DecidingLogits(params) best after penalties, and all that equal the last of them. REQUIRES at
// least one, and params that do not need all logits.
SampledToken SampleToken(std::span<const TokenLogit> candidates, const SamplingParams& params,
                         uint64_t position, std::span<const TokenId> history);

}  // namespace tern

#endif  // TERN_MODEL_SAMPLER_H_
