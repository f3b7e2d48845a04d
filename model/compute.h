// SPDX-License-Identifier: MIT
// The steps of a forward pass, each shared by the threads of a pool: which thread does what, and in
// which scratch memory.
#ifndef TERN_MODEL_COMPUTE_H_
#define TERN_MODEL_COMPUTE_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "kernels/registry.h"
#include "model/attention.h"
#include "model/bit_linear.h"
#include "model/config.h"
#include "model/kv_cache.h"
#include "model/rope.h"

namespace tern {

// What flows between the steps of a layer. Borrowed memory.
struct Activations {
  QuantizedRows x;            // input of the next projections: [rows, dim] or [rows, ffn_dim]
  float* q = nullptr;         // [rows, dim]
  float* k = nullptr;         // [rows, kv_dim]
  float* v = nullptr;         // [rows, kv_dim]
  float* attended = nullptr;  // [rows, dim]
  float* gate = nullptr;      // [rows, ffn_dim]
  float* up = nullptr;        // [rows, ffn_dim]
};

// A matrix and where its product goes.
struct Projection {
  const BitLinear& matrix;
  float* out;  // [rows, matrix.rows]
};

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

  // What each thread has for itself.
  struct Scratch {
    AlignedBuffer<float> normed;  // [max(dim, ffn_dim)]
    AlignedBuffer<float> scores;  // [context]
    AlignedBuffer<int32_t> sums;  // [kSumsTile]
  };

  void Reserve(size_t rows);

  const ModelConfig config_;
  const Kernels kernels_;
  ThreadPool* const pool_;
  const RopeTables rope_;
  std::vector<Scratch> scratch_;  // [threads]

  size_t rows_ = 0;  // room in the buffers below
  Activations activations_;
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

  // The buffers between the steps, the same for all threads.
  Activations& activations() { return shared_.activations_; }

  // to = quant(RMSNorm(from)), each of `rows` rows for itself.
  void NormAndQuantize(const float* from, const AlignedBuffer<float>& weight, size_t rows,
                       QuantizedRows& to);

  // out = W x for each projection of the same x.
  void Multiply(const QuantizedRows& x, size_t rows, std::initializer_list<Projection> projections);

  // out += W x.
  void MultiplyAdd(const QuantizedRows& x, size_t rows, const Projection& projection);

  // Rotates queries and keys to their positions; writes keys and values to the cache.
  void RotateAndStore(std::span<const BatchRow> batch, uint32_t layer, float* q, float* k,
                      const float* v, KvCache& cache);

  // Causal attention: out[row] = every head's weighted values, one head after the other.
  void Attend(std::span<const BatchRow> batch, uint32_t layer, const KvCache& cache, const float* q,
              float* out /*[rows, dim]*/);

  // gate = relu(gate)^2 * up, element by element.
  void SquaredReluTimes(size_t rows, float* gate, const float* up);

  // logits = RMSNorm(hidden) times the transposed embedding.
  void Logits(const float* hidden, size_t rows, const AlignedBuffer<float>& norm,
              const AlignedBuffer<uint16_t>& embedding, float* logits /*[rows, vocab]*/);

 private:
  // This thread's part of [0, count), cut at multiples of `multiple`.
  IndexRange Share(size_t count, size_t multiple) const {
    return SplitRange(count, multiple, thread_, shared_.pool_->size());
  }
  void Sync() { shared_.pool_->Sync(); }
  void MultiplyShare(const QuantizedRows& x, size_t rows, const Projection& projection,
                     Output output);
  KvLayer Where(uint32_t layer) const { return {layer, config_.kv_dim(), config_.head_dim}; }

  Compute& shared_;
  const ModelConfig& config_;
  const Kernels& kernels_;
  Compute::Scratch& scratch_;
  const size_t thread_;
};

}  // namespace tern

#endif  // TERN_MODEL_COMPUTE_H_
