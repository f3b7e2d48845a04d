// SPDX-License-Identifier: MIT
#include "model/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "model/exact_math.h"
#include "model/philox.h"

namespace tern {
namespace {

constexpr float kMaxTemperature = 100;
constexpr uint32_t kMaxLogprobs = 20;

// Most likely first, ties by id: a total order, so every sort gives the same result.
bool Before(const TokenLogit& a, const TokenLogit& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

// NaN would break the order; it can only come from a broken model.
float Ordered(float logit) {
  return std::isnan(logit) ? -std::numeric_limits<float>::infinity() : logit;
}

std::vector<TokenLogit> AllCandidates(std::span<const float> logits) {
  std::vector<TokenLogit> candidates(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) {
    candidates[i] = {static_cast<TokenId>(i), Ordered(logits[i])};
  }
  return candidates;
}

// Where `token` is among candidates in ascending order; their number if it is not.
size_t IndexOf(TokenId token, std::span<const TokenLogit> candidates) {
  const auto guess = static_cast<size_t>(token);  // where all tokens are candidates
  if (token >= 0 && guess < candidates.size() && candidates[guess].token == token) return guess;
  const auto found = std::lower_bound(
      candidates.begin(), candidates.end(), token,
      [](const TokenLogit& candidate, TokenId id) { return candidate.token < id; });
  if (found == candidates.end() || found->token != token) return candidates.size();
  return static_cast<size_t>(found - candidates.begin());
}

// Each token seen before loses once, however often it was seen: the penalised logit is computed
// from the original one.
void Penalise(std::span<const TokenId> history, float penalty,
              std::vector<TokenLogit>& candidates) {
  if (penalty == 1) return;
  const std::vector<TokenLogit> original = candidates;
  for (const TokenId token : history) {
    const size_t i = IndexOf(token, original);
    if (i < original.size()) candidates[i].logit = Penalised(original[i].logit, penalty);
  }
}

// Keeps the first `count` candidates, in order.
void KeepBest(size_t count, std::vector<TokenLogit>& candidates) {
  if (count < candidates.size()) {
    std::nth_element(candidates.begin(), candidates.begin() + static_cast<ptrdiff_t>(count),
                     candidates.end(), Before);
    candidates.resize(count);
  }
  std::sort(candidates.begin(), candidates.end(), Before);
}

// How many of the candidates, whose weights are in descending order, top-p and then min-p keep.
size_t CountKept(const std::vector<double>& weights, float top_p, float min_p) {
  double total = 0;
  for (const double weight : weights) total += weight;
  size_t kept = 0;
  for (double sum = 0; kept < weights.size() && (kept == 0 || sum < top_p * total); ++kept) {
    sum += weights[kept];
  }
  while (kept > 1 && weights[kept - 1] < min_p * weights[0]) --kept;
  return kept;
}

// The first candidate at which the running sum of weights passes `uniform` of the whole.
size_t Draw(std::span<const double> weights, double uniform) {
  double total = 0;
  for (const double weight : weights) total += weight;
  const double target = uniform * total;
  double sum = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    sum += weights[i];
    if (sum > target) return i;
  }
  return 0;  // no weight is positive: the logits were not finite
}

// `candidates` are in ascending order of tokens.
TokenId Choose(std::vector<TokenLogit> candidates, const SamplingParams& params, uint64_t position,
               std::span<const TokenId> history) {
  Penalise(history, params.repetition_penalty, candidates);
  if (params.temperature == 0) {
    return std::min_element(candidates.begin(), candidates.end(), Before)->token;
  }
  KeepBest(params.top_k == 0 ? candidates.size() : params.top_k, candidates);
  std::vector<double> weights(candidates.size());  // proportional to the probabilities
  for (size_t i = 0; i < candidates.size(); ++i) {
    const double below_best = double{candidates[i].logit} - candidates[0].logit;
    weights[i] = ExactExp(below_best / params.temperature);
  }
  const size_t kept = CountKept(weights, params.top_p, params.min_p);
  const size_t drawn = Draw({weights.data(), kept}, UniformAt(params.seed, position));
  return candidates[drawn].token;
}

std::vector<TokenLogprob> TopLogprobs(std::span<const float> logits, double log_total,
                                      size_t count) {
  std::vector<TokenLogit> candidates = AllCandidates(logits);
  KeepBest(count, candidates);
  std::vector<TokenLogprob> top;
  top.reserve(candidates.size());
  for (const TokenLogit& candidate : candidates) {
    top.push_back({candidate.token, static_cast<float>(candidate.logit - log_total)});
  }
  return top;
}

// `allowed` is the text of the interval [low, high]. A NaN is outside of every interval.
absl::Status CheckRange(absl::string_view field, float found, float low, float high,
                        absl::string_view allowed) {
  if (found >= low && found <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, ": found ", found, ", want ", allowed));
}

}  // namespace

absl::Status Validate(const SamplingParams& params) {
  TERN_RETURN_IF_ERROR(
      CheckRange("temperature", params.temperature, 0, kMaxTemperature, "0 to 100"));
  TERN_RETURN_IF_ERROR(CheckRange("top_p", params.top_p, std::numeric_limits<float>::min(), 1,
                                  "more than 0, at most 1"));
  TERN_RETURN_IF_ERROR(CheckRange("min_p", params.min_p, 0, 1, "0 to 1"));
  TERN_RETURN_IF_ERROR(
      CheckRange("repetition_penalty", params.repetition_penalty, 1, 10, "1 to 10"));
  if (params.logprobs > kMaxLogprobs) {
    return absl::InvalidArgumentError(
        absl::StrCat("logprobs: found ", params.logprobs, ", want 0 to ", kMaxLogprobs));
  }
  return absl::OkStatus();
}

double LogSumExp(std::span<const float> logits) {
  float best = -std::numeric_limits<float>::infinity();
  for (const float logit : logits) best = logit > best ? logit : best;
  double total = 0;
  for (const float logit : logits) total += ExactExp(double{logit} - best);
  return total > 0 ? best + ExactLog(total) : best;
}

SampledToken SampleToken(std::span<const float> logits, const SamplingParams& params,
                         uint64_t position, std::span<const TokenId> history) {
  SampledToken sampled;
  sampled.chosen.token = Choose(AllCandidates(logits), params, position, history);
  if (params.logprobs > 0) {
    const double log_total = LogSumExp(logits);
    sampled.chosen.logprob = static_cast<float>(logits[sampled.chosen.token] - log_total);
    sampled.top = TopLogprobs(logits, log_total, params.logprobs);
  }
  return sampled;
}

uint32_t DecidingLogits(const SamplingParams& params) {
  if (params.logprobs > 0) return 0;
  return params.temperature == 0 ? 1 : params.top_k;
}

SampledToken SampleToken(std::span<const TokenLogit> candidates, const SamplingParams& params,
                         uint64_t position, std::span<const TokenId> history) {
  std::vector<TokenLogit> ordered(candidates.begin(), candidates.end());
  for (TokenLogit& candidate : ordered) candidate.logit = Ordered(candidate.logit);
  SampledToken sampled;
  sampled.chosen.token = Choose(std::move(ordered), params, position, history);
  return sampled;
}

}  // namespace tern
