// SPDX-License-Identifier: MIT
// The steps of a forward pass, each shared by the threads of a pool: which thread does what, and in
// which scratch memory.
#ifndef TERN_MODEL_COMPUTE_H_
#define TERN_MODEL_COMPUTE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "kernels/registry.h"
#include "model/attention.h"
#include "model/bit_linear.h"
#include "model/config.h"
#include "model/embedding.h"
#include "model/head_search.h"
#include "model/kv_cache.h"
#include "model/rope.h"

namespace tern {

// What flows between the steps of a layer. Borrowed memory.
struct Activations {
  float* q = nullptr;          // [rows, q_dim]
  float* k = nullptr;          // [rows, kv_dim]
  float* v = nullptr;          // [rows, kv_dim]
  float* attended = nullptr;   // [rows, q_dim]
  float* gated = nullptr;      // [rows, ffn_dim]
  float* projected = nullptr;  // [rows, dim]
};

// A matrix and where its product goes.
struct Projection {
  const BitLinear& matrix;
  float* out;  // [rows, matrix.rows]
};

// The weights of a norm; empty for a model that has none there: the input goes on as it is.
using NormWeights = AlignedBuffer<float>;

class Lane;

// What the threads of a forward pass share. Thread-compatible.
class Compute {
 public:
  // `pool` must outlive the object.
  Compute(const ModelConfig& config, const Kernels& kernels, ThreadPool* pool);

  // Calls body(lane) on every thread, with room for batches of up to `rows` rows. Allocates only
  // when `rows` is the largest so far.
  void Run(size_t rows, absl::FunctionRef<void(Lane& lane)> body);

 private:
  friend class Lane;

  // Projections of one input that differ in how they prepare it: q, k and v at most.
  static constexpr size_t kInputs = 3;

  // What each thread has for itself.
  struct Scratch {
    AlignedBuffer<float> normed;     // [the largest width]
    AlignedBuffer<float> prepared;   // likewise
    AlignedBuffer<int32_t> sums;     // [kSumsTile]
    AlignedBuffer<float> products;   // [kSumsTile]
    AlignedBuffer<float> factors;    // [kSumsTile]
    AlignedBuffer<float> head_rows;  // [kDotRows, dim]

    MultiplyScratch multiply() { return {sums.data(), products.data(), factors.data()}; }
  };

  void Reserve(size_t rows);
  const RopeTables& rope(uint32_t layer) const {
    return config_.is_local(layer) ? *local_rope_ : rope_;
  }

  const ModelConfig config_;
  const Kernels kernels_;
  ThreadPool* const pool_;
  const RopeTables rope_;
  std::optional<RopeTables> local_rope_;             // of a model with windows
  std::vector<Scratch> scratch_;                     // [threads]
  std::vector<AttentionScratch> attention_scratch_;  // [threads]

  size_t rows_ = 0;  // room in the buffers below
  Activations activations_;
  std::array<QuantizedRows, kInputs> inputs_;
  AlignedBuffer<int8_t> codes_;
  AlignedBuffer<int32_t> code_sums_;
  AlignedBuffer<float> floats_;
};

// One thread's part in a forward pass. A step does this thread's share and returns when all threads
// have done theirs, so every thread must take the same steps. Shares are static and no sum is
// split: results do not depend on the number of threads.
class Lane {
 public:
  Lane(Compute& compute, size_t thread);

  const ModelConfig& config() const { return config_; }
  // The buffers between the steps, the same for all threads.
  Activations& activations() { return shared_.activations_; }

  // out = (or +=) W quant(prepare(RMSNorm(from))) for each projection: quantised as its matrix
  // wants, after a norm of its own and a rotation where it has them.
  void Project(const float* from, const NormWeights& norm, size_t rows,
               std::initializer_list<Projection> projections, Output output = Output::kStore);

  // a.gated = activation(W_gate x) * (W_up x), element by element, with x as Project makes it.
  void ProjectGated(const float* from, const NormWeights& norm, size_t rows, const BitLinear& gate,
                    const BitLinear& up);

  // h += RMSNorm(from), each of `rows` rows for itself.
  void NormAndAdd(const float* from, const NormWeights& norm, size_t rows, float* h);

  // Normalises heads of queries and keys where the model does so, rotates them to their positions
  // and writes keys and values to the cache. `layer` counts from the model's first, `cached` from
  // the cache's.
  void RotateAndStore(std::span<const BatchRow> batch, uint32_t layer, uint32_t cached,
                      const NormWeights& q_norm, const NormWeights& k_norm, KvCache& cache);

  // Causal attention: a.attended[row] = every head's weighted values, one head after the other.
  void Attend(std::span<const BatchRow> batch, uint32_t layer, uint32_t cached,
              const KvCache& cache);

  // out = RMSNorm(hidden).
  void Norm(const float* hidden, const NormWeights& norm, size_t rows, float* out /*[rows, dim]*/);

  // logits = normed times the transposed head. Overwrites a.q.
  void Logits(const float* normed, size_t rows, const EmbeddingTable& head,
              float* logits /*[rows, vocab]*/);

  // Finds the largest logits that `search` was begun for.
  void TopLogits(const float* normed, const EmbeddingTable& head, const HeadScreen& screen,
                 HeadSearch& search);

 private:
  // This thread's part of [0, count), cut at multiples of `multiple`.
  IndexRange Share(size_t count, size_t multiple) const {
    return SplitRange(count, multiple, thread_, shared_.pool_->size());
  }
  void Sync() { shared_.pool_->Sync(); }
  // x, or its norm in this thread's scratch.
  const float* Normed(const float* x, const NormWeights& norm, size_t width);
  void PrepareRow(const BitLinear& matrix, const float* x, size_t row, QuantizedRows& to);
  // Of each of several matrices, the input that is prepared for it.
  using Inputs = std::array<QuantizedRows, Compute::kInputs>;
  Inputs Prepare(const float* from, const NormWeights& norm, size_t rows,
                 std::span<const BitLinear* const> matrices);
  KvLayer Where(uint32_t layer, uint32_t cached) const;

  Compute& shared_;
  const ModelConfig& config_;
  const Kernels& kernels_;
  Compute::Scratch& scratch_;
  const size_t thread_;
};

}  // namespace tern

#endif  // TERN_MODEL_COMPUTE_H_
