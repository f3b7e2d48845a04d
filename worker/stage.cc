// SPDX-License-Identifier: MIT
#include "worker/stage.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace tern {

absl::StatusOr<std::unique_ptr<Stage>> Stage::Create(const StageSpec& spec,
                                                     const TensorSource& source,
                                                     const Kernels& kernels, ThreadPool* pool,
                                                     const std::function<void(float)>& progress) {
  TERN_ASSIGN_OR_RETURN(
      std::unique_ptr<Transformer> weights,
      Transformer::Load(spec.config, spec.layers, source, kernels, pool, progress));
  return Create(spec, std::move(weights), pool);
}

absl::StatusOr<std::unique_ptr<Stage>> Stage::Create(const StageSpec& spec,
                                                     std::unique_ptr<Transformer> weights,
                                                     ThreadPool* pool) {
  TERN_ASSIGN_OR_RETURN(KvCache cache, KvCache::Create(spec.config, spec.layers.size(),
                                                       spec.kv_pages, spec.kv_type, pool));
  return std::unique_ptr<Stage>(new Stage(spec, std::move(weights), std::move(cache)));
}

Stage::Stage(const StageSpec& spec, std::unique_ptr<Transformer> transformer, KvCache cache)
    : spec_(spec), transformer_(std::move(transformer)), cache_(std::move(cache)) {
  if (is_last()) page_tokens_.resize(cache_.pages() * kKvPageTokens);
}

absl::StatusOr<Frame> Stage::Run(StepFrame step) {
  TERN_RETURN_IF_ERROR(CheckStep(step));
  for (const SequenceId sequence : step.release) cache_.Release(sequence);
  AddPages(step);
  if (step.rows() > 0) TERN_RETURN_IF_ERROR(Compute(step));
  if (!is_last()) return step;
  StoreTokens(step);
  return SampleAll(step);
}

absl::Status Stage::CheckStep(const StepFrame& step) const {
  if (step.epoch != spec_.epoch) {
    return absl::FailedPreconditionError(
        absl::StrCat("step: epoch: found ", step.epoch, ", want ", spec_.epoch));
  }
  absl::flat_hash_set<SequenceId> seen(step.release.begin(), step.release.end());
  uint64_t rows = 0;
  for (const Segment& segment : step.segments) {
    if (!seen.insert(segment.sequence).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("step ", step.step, ": sequence ", segment.sequence, " comes twice"));
    }
    TERN_RETURN_IF_ERROR(CheckSegment(segment));
    rows += segment.rows;
  }
  const uint64_t hidden = is_first() ? 0 : rows * spec_.config.dim;
  if (step.tokens.size() != rows || step.hidden.size() != hidden) {
    return absl::InvalidArgumentError(
        absl::StrCat("step ", step.step, ": found ", step.tokens.size(), " tokens and ",
                     step.hidden.size(), " activations, want ", rows, " and ", hidden));
  }
  for (const TokenId token : step.tokens) {
    if (token < 0 || static_cast<uint32_t>(token) >= spec_.config.vocab) {
      return absl::InvalidArgumentError(absl::StrCat("step ", step.step, ": token: found ", token,
                                                     ", want 0 to ", spec_.config.vocab - 1));
    }
  }
  return absl::OkStatus();
}

absl::Status Stage::CheckSegment(const Segment& segment) const {
  const bool is_new = !cache_.Knows(segment.sequence);
  const uint32_t length = cache_.length(segment.sequence);
  if (is_new ? segment.position % kKvPageTokens != 0 : segment.position != length) {
    return absl::FailedPreconditionError(absl::StrCat(
        "sequence ", segment.sequence, ": position: found ", segment.position, ", want ", length,
        ", the tokens cached", is_new ? ", or the end of pages that are shared" : ""));
  }
  const uint64_t end = uint64_t{segment.position} + segment.rows;
  const uint64_t room =
      cache_.capacity(segment.sequence) + segment.pages.size() * uint64_t{kKvPageTokens};
  if (segment.rows == 0 || end > room || end > spec_.config.context) {
    return absl::InvalidArgumentError(absl::StrCat(
        "sequence ", segment.sequence, ": found ", segment.rows, " rows at ", segment.position,
        ", pages for ", room, " tokens, context ", spec_.config.context));
  }
  for (const uint32_t page : segment.pages) {
    if (page < cache_.pages()) continue;
    return absl::InvalidArgumentError(absl::StrCat("sequence ", segment.sequence, ": found page ",
                                                   page, ", want 0 to ", cache_.pages() - 1));
  }
  return absl::OkStatus();
}

void Stage::AddPages(const StepFrame& step) {
  for (const Segment& segment : step.segments) {
    const uint32_t length = cache_.length(segment.sequence);
    cache_.Append(segment.sequence, segment.pages);
    cache_.Advance(segment.sequence, segment.position - length);  // what it shares
  }
}

// All rows of all segments at once: every weight is read once for the step.
absl::Status Stage::Compute(StepFrame& step) {
  if (is_first()) {
    step.hidden = AlignedBuffer<float>(size_t{step.rows()} * spec_.config.dim);
    transformer_->Embed(step.tokens, step.hidden.data());
  }
  batch_.clear();
  for (const Segment& segment : step.segments) {
    batch_.push_back({segment.sequence, segment.position, segment.rows});
  }
  return transformer_->Forward(batch_, cache_, step.hidden.data());
}

void Stage::StoreTokens(const StepFrame& step) {
  auto token = step.tokens.begin();
  for (const Segment& segment : step.segments) {
    const std::vector<uint32_t>& pages = cache_.PageTable(segment.sequence);
    for (uint32_t i = 0; i < segment.rows; ++i, ++token) {
      const uint32_t position = segment.position + i;
      const size_t page = pages[position / kKvPageTokens];
      page_tokens_[page * kKvPageTokens + position % kKvPageTokens] = *token;
    }
  }
}

// histories_[i] is segment i's, where it is wanted.
void Stage::GatherHistories(const StepFrame& step) {
  histories_.resize(std::max(histories_.size(), step.segments.size()));
  for (size_t i = 0; i < step.segments.size(); ++i) {
    const Segment& segment = step.segments[i];
    std::vector<TokenId>& history = histories_[i];
    history.clear();
    if (!segment.sample || segment.sampling.repetition_penalty == 1) continue;
    size_t left = segment.end();
    for (const size_t page : cache_.PageTable(segment.sequence)) {
      const size_t tokens = std::min<size_t>(left, kKvPageTokens);
      const auto first = page_tokens_.begin() + static_cast<ptrdiff_t>(page * kKvPageTokens);
      history.insert(history.end(), first, first + static_cast<ptrdiff_t>(tokens));
      left -= tokens;
    }
  }
}

// Whether a segment's token can be found without all logits.
bool Stage::IsScreened(const Segment& segment) const {
  return !segment.want_logits && transformer_->CanFindTop(DecidingLogits(segment.sampling));
}

// Of each segment that is sampled its last row, in order.
void Stage::GatherRows(const StepFrame& step) {
  const size_t dim = spec_.config.dim;
  requests_.clear();
  screened_rows_.clear();
  full_rows_.clear();
  size_t end_row = 0;
  for (size_t i = 0; i < step.segments.size(); ++i) {
    const Segment& segment = step.segments[i];
    end_row += segment.rows;
    if (!segment.sample) continue;
    const float* row = step.hidden.data() + (end_row - 1) * dim;
    const bool is_screened = IsScreened(segment);
    std::vector<float>& rows = is_screened ? screened_rows_ : full_rows_;
    rows.insert(rows.end(), row, row + dim);
    if (!is_screened) continue;
    requests_.push_back({.count = DecidingLogits(segment.sampling),
                         .penalty = segment.sampling.repetition_penalty,
                         .history = histories_[i]});
  }
}

// The head, too, reads its weights once for all sequences of the step.
ResultFrame Stage::SampleAll(const StepFrame& step) {
  const size_t outputs = spec_.config.outputs();
  ResultFrame frame;
  frame.epoch = step.epoch;
  frame.step = step.step;
  GatherHistories(step);
  GatherRows(step);
  std::span<const std::vector<TokenLogit>> tops;
  if (!requests_.empty()) tops = transformer_->TopLogits(screened_rows_, requests_);
  outputs_.resize(full_rows_.size() / spec_.config.dim * outputs);
  if (!full_rows_.empty() && spec_.config.has_head) {
    transformer_->Logits(full_rows_, outputs_.data());
  } else if (!full_rows_.empty()) {
    transformer_->OutputNorm(full_rows_, outputs_.data());
  }
  std::span<const float> rest = outputs_;
  for (size_t i = 0; i < step.segments.size(); ++i) {
    const Segment& segment = step.segments[i];
    if (!segment.sample) continue;
    SequenceResult& result = frame.results.emplace_back();
    result.sequence = segment.sequence;
    result.position = segment.end();
    const std::vector<TokenId>& history = histories_[i];
    if (IsScreened(segment)) {
      result.sampled = SampleToken(tops[0], segment.sampling, result.position, history);
      tops = tops.subspan(1);
      continue;
    }
    const std::span<const float> own = rest.first(outputs);
    rest = rest.subspan(outputs);
    // An embedding model samples nothing: token 0 stands for that.
    if (spec_.config.has_head) {
      result.sampled = SampleToken(own, segment.sampling, result.position, history);
    }
    if (segment.want_logits) result.logits.assign(own.begin(), own.end());
  }
  return frame;
}

}  // namespace tern
