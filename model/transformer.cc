// SPDX-License-Identifier: MIT
#include "model/transformer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/log.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "model/compute.h"
#include "model/layer.h"
#include "model/rope.h"
#include "model/weights.h"

namespace tern {
namespace {

// The largest logits are sought by the screen only if there are so many rows for each of them.
// Where more are wanted, so many rows are computed in full that it saves little.
constexpr size_t kRowsPerTop = 16;

}  // namespace

struct Transformer::State {
  ModelConfig config;
  LayerRange range;
  Kernels kernels;
  StageWeights weights;
  Compute compute;
  std::vector<BatchRow> rows = {};   // of the current call
  std::vector<SequenceId> ids = {};  // likewise
  std::vector<int8_t> trits = {};    // [dim], scratch of Embed
  std::vector<float> normed = {};    // [rows, dim], of the current call
  HeadSearch search;
  HeadStats head_stats = {};

  bool is_last() const { return range.end == config.layers; }

  absl::Status Check(std::span<const SequenceRows> batch, const KvCache& cache);
};

std::string RopeDigest(const ModelConfig& config) {
  Sha256 hash;
  for (const RopeKind kind : {RopeKind::kGlobal, RopeKind::kLocal}) {
    if (kind == RopeKind::kLocal && config.sliding_window == 0) continue;
    const RopeTables tables(config, kind);
    hash.Update(BytesOf(tables.cosines().span()));
    hash.Update(BytesOf(tables.sines().span()));
  }
  return hash.Finish();
}

absl::StatusOr<std::unique_ptr<Transformer>> Transformer::Load(
    const ModelConfig& config, LayerRange range, const TensorSource& source, const Kernels& kernels,
    ThreadPool* pool, const std::function<void(float)>& progress) {
  TERN_RETURN_IF_ERROR(Validate(config));
  TERN_ASSIGN_OR_RETURN(StageWeights weights,
                        LoadWeights(config, range, source, kernels, *pool, progress));
  return std::unique_ptr<Transformer>(
      new Transformer(std::unique_ptr<State>(new State{.config = config,
                                                       .range = range,
                                                       .kernels = kernels,
                                                       .weights = std::move(weights),
                                                       .compute = Compute(config, kernels, pool),
                                                       .search = HeadSearch(pool->size())})));
}

Transformer::Transformer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Transformer::~Transformer() = default;

StageCost Transformer::Cost() const { return CostOf(state_->weights); }

void Transformer::EvictWeights() const { EvictFromCaches(state_->weights); }

const ModelConfig& Transformer::config() const { return state_->config; }
LayerRange Transformer::range() const { return state_->range; }

void Transformer::Embed(std::span<const TokenId> tokens, float* hidden) {
  State& s = *state_;
  TERN_CHECK(s.range.begin == 0);
  const ModelConfig& config = s.config;
  s.trits.resize(config.dim);
  for (const TokenId token : tokens) {
    TERN_CHECK(token >= 0 && static_cast<uint32_t>(token) < config.vocab);
    LookUp(s.weights.embedding, static_cast<size_t>(token), s.kernels.ops, s.trits, hidden);
    if (config.rotation.embedding) {
      RotateBack(config.rotation.block_cols, config.rotation.Signs(config.dim), hidden, config.dim);
    }
    if (config.embedding_scale != 1) {
      for (size_t col = 0; col < config.dim; ++col) hidden[col] *= config.embedding_scale;
    }
    hidden += config.dim;
  }
}

// Whether every entry of `batch` continues its sequence and no sequence comes twice.
absl::Status Transformer::State::Check(std::span<const SequenceRows> batch, const KvCache& cache) {
  ids.clear();
  for (const SequenceRows& entry : batch) {
    const uint32_t length = cache.length(entry.sequence);
    if (entry.position != length) {
      return absl::InvalidArgumentError(absl::StrCat("sequence ", entry.sequence,
                                                     ": found position ", entry.position, ", want ",
                                                     length, ", the tokens cached"));
    }
    const uint64_t most = std::min<uint64_t>(config.context, cache.capacity(entry.sequence));
    if (entry.rows == 0 || uint64_t{length} + entry.rows > most) {
      return absl::InvalidArgumentError(absl::StrCat("sequence ", entry.sequence, ": found ",
                                                     entry.rows, " rows at position ", length,
                                                     ", want 1 or more, to ", most, " at most"));
    }
    ids.push_back(entry.sequence);
  }
  std::sort(ids.begin(), ids.end());
  const auto twice = std::adjacent_find(ids.begin(), ids.end());
  if (twice == ids.end()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("sequence ", *twice, ": found twice in a batch, want once"));
}

absl::Status Transformer::Forward(std::span<const SequenceRows> batch, KvCache& cache,
                                  float* hidden) {
  State& s = *state_;
  TERN_CHECK(cache.layers() == s.range.size());
  TERN_RETURN_IF_ERROR(s.Check(batch, cache));

  s.rows.clear();
  for (const SequenceRows& entry : batch) {
    const uint32_t* pages = cache.PageTable(entry.sequence).data();
    for (uint32_t i = 0; i < entry.rows; ++i) s.rows.push_back({entry.position + i, pages});
  }
  s.compute.Run(s.rows.size(), [&](Lane& lane) {
    for (uint32_t layer = 0; layer < s.range.size(); ++layer) {
      RunLayer(s.weights.layers[layer], s.rows, {s.range.begin + layer, layer}, cache, lane,
               hidden);
    }
  });
  for (const SequenceRows& entry : batch) cache.Advance(entry.sequence, entry.rows);
  return absl::OkStatus();
}

void Transformer::Logits(std::span<const float> hidden, float* logits) {
  State& s = *state_;
  TERN_CHECK(s.is_last() && s.config.has_head && hidden.size() % s.config.dim == 0);
  const size_t rows = hidden.size() / s.config.dim;
  s.normed.resize(hidden.size());
  s.compute.Run(rows, [&](Lane& lane) {
    lane.Norm(hidden.data(), s.weights.output_norm, rows, s.normed.data());
    lane.Logits(s.normed.data(), rows, s.weights.head(), logits);
  });
  s.head_stats.full_tokens += rows;
  s.head_stats.bytes_read += s.weights.head().bytes();
}

bool Transformer::CanFindTop(uint32_t count) const {
  const HeadScreen& screen = state_->weights.screen;
  return count > 0 && count <= screen.rows / kRowsPerTop;
}

std::span<const std::vector<TokenLogit>> Transformer::TopLogits(
    std::span<const float> hidden, std::span<const TopRequest> requests) {
  State& s = *state_;
  const EmbeddingTable& head = s.weights.head();
  const size_t rows = requests.size();
  TERN_CHECK(rows > 0 && hidden.size() == rows * s.config.dim);
  for (const TopRequest& request : requests) TERN_CHECK(CanFindTop(request.count));
  s.normed.resize(hidden.size());
  s.search.Begin(s.weights.screen, requests);
  s.compute.Run(rows, [&](Lane& lane) {
    lane.Norm(hidden.data(), s.weights.output_norm, rows, s.normed.data());
    lane.TopLogits(s.normed.data(), head, s.weights.screen, s.search);
  });
  s.head_stats.screened_tokens += rows;
  s.head_stats.bytes_read += ScreenBytes(head.rows, head.cols);
  for (const std::vector<TokenLogit>& candidates : s.search.candidates()) {
    s.head_stats.candidates += candidates.size();
    s.head_stats.bytes_read += candidates.size() * head.row_bytes;
  }
  return s.search.candidates();
}

const HeadStats& Transformer::head_stats() const { return state_->head_stats; }

void Transformer::OutputNorm(std::span<const float> hidden, float* out) {
  State& s = *state_;
  TERN_CHECK(s.is_last() && hidden.size() % s.config.dim == 0);
  const size_t rows = hidden.size() / s.config.dim;
  s.compute.Run(rows,
                [&](Lane& lane) { lane.Norm(hidden.data(), s.weights.output_norm, rows, out); });
}

}  // namespace tern
