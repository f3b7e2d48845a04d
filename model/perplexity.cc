// SPDX-License-Identifier: MIT
#include "model/perplexity.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "model/exact_math.h"
#include "model/sampler.h"

namespace tern {
namespace {

// Rows of one Forward: enough to multiply matrices by matrices, few enough logits to hold.
constexpr size_t kChunkRows = 64;

absl::Status CheckTokens(std::span<const TokenId> tokens, TokenId bos, uint32_t vocab) {
  if (tokens.empty()) return absl::InvalidArgumentError("tokens: found none, want at least 1");
  const auto outside = [&](TokenId id) { return id < 0 || static_cast<uint32_t>(id) >= vocab; };
  const auto bad = std::find_if(tokens.begin(), tokens.end(), outside);
  if (bad == tokens.end() && !outside(bos)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("token: found ", bad == tokens.end() ? bos : *bad, ", want 0 to ", vocab - 1));
}

// Runs one window at a time through a model.
class WindowScorer {
 public:
  WindowScorer(Transformer& model, KvCache cache)
      : model_(model),
        cache_(std::move(cache)),
        hidden_(kChunkRows * model.config().dim),
        logits_(kChunkRows * model.config().vocab) {}

  // The sum of -log p(target[i] | bos, target[0..i-1]).
  absl::StatusOr<double> Score(TokenId bos, std::span<const TokenId> target);

 private:
  absl::Status Forward(std::span<const TokenId> inputs, size_t position);

  Transformer& model_;
  KvCache cache_;
  AlignedBuffer<float> hidden_;  // [kChunkRows, dim]
  AlignedBuffer<float> logits_;  // [kChunkRows, vocab]
};

absl::Status WindowScorer::Forward(std::span<const TokenId> inputs, size_t position) {
  model_.Embed(inputs, hidden_.data());
  const SequenceRows rows = {0, static_cast<uint32_t>(position),
                             static_cast<uint32_t>(inputs.size())};
  TERN_RETURN_IF_ERROR(model_.Forward({&rows, 1}, cache_, hidden_.data()));
  model_.Logits({hidden_.data(), inputs.size() * model_.config().dim}, logits_.data());
  return absl::OkStatus();
}

absl::StatusOr<double> WindowScorer::Score(TokenId bos, std::span<const TokenId> target) {
  const size_t vocab = model_.config().vocab;
  std::vector<TokenId> inputs(target.begin(), target.end() - 1);
  inputs.insert(inputs.begin(), bos);
  double total = 0;
  for (size_t begin = 0; begin < inputs.size(); begin += kChunkRows) {
    const size_t rows = std::min(kChunkRows, inputs.size() - begin);
    TERN_RETURN_IF_ERROR(Forward({inputs.data() + begin, rows}, begin));
    for (size_t row = 0; row < rows; ++row) {
      const std::span<const float> logits(logits_.data() + row * vocab, vocab);
      total += LogSumExp(logits) - logits[static_cast<size_t>(target[begin + row])];
    }
  }
  cache_.Release(0);
  return total;
}

}  // namespace

absl::StatusOr<Perplexity> MeasurePerplexity(Transformer& model, std::span<const TokenId> tokens,
                                             TokenId bos, const PerplexityOptions& options,
                                             const std::function<void(float)>& progress) {
  const ModelConfig& config = model.config();
  TERN_CHECK(model.range() == (LayerRange{0, config.layers}));
  TERN_RETURN_IF_ERROR(CheckTokens(tokens, bos, config.vocab));
  if (options.window < 2 || options.window > config.context) {
    return absl::InvalidArgumentError(
        absl::StrCat("window: found ", options.window, ", want 2 to ", config.context));
  }
  TERN_ASSIGN_OR_RETURN(
      KvCache cache,
      KvCache::Create(config, config.layers, KvPagesFor(options.window), options.kv_type));
  WindowScorer scorer(model, std::move(cache));
  Perplexity result;
  double total = 0;
  while (result.tokens < tokens.size()) {
    const size_t count = std::min<size_t>(options.window - 1, tokens.size() - result.tokens);
    TERN_ASSIGN_OR_RETURN(const double score,
                          scorer.Score(bos, tokens.subspan(result.tokens, count)));
    total += score;
    result.tokens += count;
    if (progress) {
      progress(static_cast<float>(static_cast<double>(result.tokens) /
                                  static_cast<double>(tokens.size())));
    }
  }
  result.mean_negative_log_likelihood = total / static_cast<double>(tokens.size());
  result.perplexity = ExactExp(result.mean_negative_log_likelihood);
  return result;
}

}  // namespace tern
