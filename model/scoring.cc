// SPDX-License-Identifier: MIT
#include "model/scoring.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "model/sampler.h"

namespace tern {
namespace {

// Rows of one Forward: enough to multiply matrices by matrices, few enough logits to hold.
constexpr size_t kChunkRows = 64;

}  // namespace

absl::StatusOr<SequenceScorer> SequenceScorer::Create(Transformer& model, uint32_t context,
                                                      KvType kv_type) {
  const ModelConfig& config = model.config();
  TERN_CHECK(model.range() == (LayerRange{0, config.layers}));
  if (!config.has_head) {
    return absl::FailedPreconditionError(
        absl::StrCat(config.name, ": an embedding model has no logits; see tern embed"));
  }
  if (context < 1 || context > config.context) {
    return absl::InvalidArgumentError(
        absl::StrCat("context: found ", context, ", want 1 to ", config.context));
  }
  TERN_ASSIGN_OR_RETURN(KvCache cache,
                        KvCache::Create(config, config.layers, KvPagesFor(context), kv_type));
  return SequenceScorer(model, std::move(cache));
}

SequenceScorer::SequenceScorer(Transformer& model, KvCache cache)
    : model_(&model),
      cache_(std::move(cache)),
      hidden_(kChunkRows * model.config().dim),
      logits_(kChunkRows * model.config().vocab) {}

absl::Status SequenceScorer::Run(std::span<const TokenId> tokens, size_t first, Visit visit) {
  const ModelConfig& config = model_->config();
  for (const TokenId id : tokens) {
    if (id >= 0 && static_cast<uint32_t>(id) < config.vocab) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("token: found ", id, ", want 0 to ", config.vocab - 1));
  }
  const uint64_t room = cache_.pages() * kKvPageTokens;
  if (tokens.empty() || tokens.size() > room) {
    return absl::InvalidArgumentError(
        absl::StrCat("tokens: found ", tokens.size(), ", want 1 to ", room));
  }
  cache_.AppendAll(0);
  absl::Status status;
  for (size_t begin = 0; begin < tokens.size() && status.ok(); begin += kChunkRows) {
    const size_t rows = std::min(kChunkRows, tokens.size() - begin);
    model_->Embed(tokens.subspan(begin, rows), hidden_.data());
    const SequenceRows batch = {0, static_cast<uint32_t>(begin), static_cast<uint32_t>(rows)};
    status = model_->Forward({&batch, 1}, cache_, hidden_.data());
    const size_t skipped = first > begin ? std::min(first - begin, rows) : 0;
    if (!status.ok() || skipped == rows) continue;
    model_->Logits({hidden_.data() + skipped * config.dim, (rows - skipped) * config.dim},
                   logits_.data());
    for (size_t row = skipped; row < rows; ++row) {
      visit(begin + row, {logits_.data() + (row - skipped) * config.vocab, config.vocab});
    }
  }
  cache_.Release(0);
  return status;
}

double LogProbability(std::span<const float> logits, TokenId token) {
  return static_cast<double>(logits[static_cast<size_t>(token)]) - LogSumExp(logits);
}

absl::StatusOr<Score> ScoreTokens(SequenceScorer& scorer, std::span<const TokenId> tokens,
                                  size_t first) {
  if (first == 0 || first >= tokens.size()) {
    return absl::InvalidArgumentError(absl::StrCat("scored tokens: found ", first, " to ",
                                                   tokens.size(), ", want one at least, and one ",
                                                   "before them"));
  }
  Score score;
  TERN_RETURN_IF_ERROR(
      scorer.Run(tokens, first - 1, [&](size_t position, std::span<const float> logits) {
        if (position + 1 == tokens.size()) return;
        const TokenId next = tokens[position + 1];
        score.log_likelihood += LogProbability(logits, next);
        ++score.tokens;
        const auto best = std::max_element(logits.begin(), logits.end());
        score.greedy = score.greedy && best - logits.begin() == next;
      }));
  return score;
}

}  // namespace tern
