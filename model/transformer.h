// SPDX-License-Identifier: MIT
// A contiguous range of a model's layers, with the embedding and the head where the range has them:
// what one pipeline stage computes. The mathematics is in model/layer.h and docs/architecture.md.
#ifndef TERN_MODEL_TRANSFORMER_H_
#define TERN_MODEL_TRANSFORMER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "base/thread_pool.h"
#include "formats/tensor.h"
#include "kernels/registry.h"
#include "model/config.h"
#include "model/cost.h"
#include "model/head_search.h"
#include "model/kv_cache.h"
#include "text/vocabulary.h"

namespace tern {

// Layers [begin, end). The stage with layer 0 embeds; the one with the last layer has the head.
struct LayerRange {
  uint32_t begin = 0;
  uint32_t end = 0;
  uint32_t size() const { return end - begin; }
  bool operator==(const LayerRange&) const = default;
};

// Consecutive rows of one sequence within a batch.
struct SequenceRows {
  SequenceId sequence = 0;
  uint32_t position = 0;  // of the first row; equals the sequence's cached length
  uint32_t rows = 0;
};

// Counters of the head's work.
struct HeadStats {
  uint64_t full_tokens = 0;      // all logits computed
  uint64_t screened_tokens = 0;  // the largest found by the screen
  uint64_t candidates = 0;       // logits of those computed in full
  uint64_t bytes_read = 0;       // of weights and of the screen
};

// Bytes of memory that the weights of `range` take once loaded.
uint64_t WeightBytes(const ModelConfig& config, LayerRange range);

// SHA-256 of the rotary tables of `config`, as 64 hexadecimal digits: workers whose libm differs
// would rotate differently, so the handshake compares it.
std::string RopeDigest(const ModelConfig& config);

// Immutable after Load but for scratch buffers: one call at a time. Results do not depend on the
// number of threads, on how rows are grouped into batches, or on the kernels.
class Transformer {
 public:
  // Loads and repacks the weights of `range`. `progress`, if set, is called with the share done, in
  // [0, 1], now and then. `pool` must outlive the object. Errors of the source; DATA_LOSS for
  // a weight that cannot be.
  static absl::StatusOr<std::unique_ptr<Transformer>> Load(
      const ModelConfig& config, LayerRange range, const TensorSource& source,
      const Kernels& kernels, ThreadPool* pool, const std::function<void(float)>& progress = {});

  ~Transformer();

  // hidden[row] = the embedding of tokens[row]. REQUIRES that the range begins at 0 and every
  // token < vocab.
  void Embed(std::span<const TokenId> tokens, float* hidden /*[tokens, dim]*/);

  // Runs the layers on `hidden`, in place, and extends the sequences' caches. `batch` covers all
  // rows in order. INVALID_ARGUMENT (with nothing changed) if a position is not the sequence's
  // length, a sequence comes twice, or its rows are none or go past its pages or the model's
  // context. REQUIRES a cache of range().size() layers of this model.
  absl::Status Forward(std::span<const SequenceRows> batch, KvCache& cache,
                       float* hidden /*[rows, dim]*/);

  // logits = RMSNorm(hidden) times the transposed head, for one row or several. REQUIRES that the
  // range has the last layer and the model a head.
  void Logits(std::span<const float> hidden /*[rows, dim]*/, float* logits /*[rows, vocab]*/);

  // Whether TopLogits can be asked for the `count` largest logits: there is a screen of the head,
  // and they are few enough for it to save time. Never if the count is 0.
  bool CanFindTop(uint32_t count) const;

  // For each row of `hidden` its request: candidates that include the largest logits, as
  // HeadSearch::candidates has them and Logits would compute them, valid until the next call.
  // REQUIRES what Logits does, a request for each row, one at least, and CanFindTop of each count.
  std::span<const std::vector<TokenLogit>> TopLogits(std::span<const float> hidden /*[rows, dim]*/,
                                                     std::span<const TopRequest> requests);

  // Which way the logits of all calls so far were computed.
  const HeadStats& head_stats() const;

  // out = RMSNorm(hidden): what embedding models end with. REQUIRES that the range has the last
  // layer.
  void OutputNorm(std::span<const float> hidden /*[rows, dim]*/, float* out /*[rows, dim]*/);

  // Drops the weights from the processors' caches, where parts of a large model rarely are when
  // their turn comes: for measurements by a few layers.
  void EvictWeights() const;

  // What was loaded costs.
  StageCost Cost() const;

  const ModelConfig& config() const;
  LayerRange range() const;

 private:
  struct State;
  explicit Transformer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tern

#endif  // TERN_MODEL_TRANSFORMER_H_
