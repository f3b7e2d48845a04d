// SPDX-License-Identifier: MIT
// Causal attention of a batch over the cached keys and values of its sequences.
#ifndef TERN_MODEL_ATTENTION_H_
#define TERN_MODEL_ATTENTION_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "kernels/attention.h"
#include "kernels/vector_ops.h"
#include "model/config.h"
#include "model/kv_cache.h"

namespace tern {

// One row of a batch: a token of some sequence.
struct BatchRow {
  uint32_t position = 0;            // of the token in its sequence
  const uint32_t* pages = nullptr;  // the sequence's page table, up to the token at least
};

// Which keys and values a layer attends to, and how.
struct KvLayer {
  uint32_t layer = 0;     // of the cache
  uint32_t kv_heads = 0;  // heads of keys and values
  uint32_t group = 0;     // query heads that share one of them
  uint32_t head_dim = 0;  // elements of a head
  uint32_t window = 0;    // how many tokens back it attends, the own one included; 0: all
  float scale = 0;        // of the scores

  size_t heads() const { return size_t{kv_heads} * group; }
  size_t q_dim() const { return heads() * head_dim; }
};

// Writes a token's keys and values, [kv_heads, head_dim] each, to its place in the cache: as they
// are, or rounded to f16.
void StoreKeyValue(const VectorOps& ops, const BatchRow& row, const KvLayer& where,
                   const float* keys, const float* values, KvCache& cache);

// What a thread needs for attention.
struct AttentionScratch {
  explicit AttentionScratch(const ModelConfig& config);

  AlignedBuffer<float> kernel;    // AttentionArgs::scratch
  AlignedBuffer<float> running;   // sums of a tile
  AlignedBuffer<float> partials;  // sums of each block of a tile that several threads share
};

// out[row] = every query head's softmax-weighted values over the tokens up to the row's own that
// are in the window.
//
// A head is computed by blocks of keys, counted from the sequence's first token, and the blocks are
// merged in ascending order (kernels/attention.h): the same bits for any batch, page table and
// number of threads. A tile is successive tokens of one sequence and the query heads of one
// key-value head. Threads get successive blocks of successive tiles, of equal work in all. Where
// all blocks of a tile are one thread's they are merged as they come; else each is kept, and the
// thread that has the first merges them afterwards.
//
// REQUIRES that the rows of a sequence follow each other. Borrows everything. Every thread makes
// one of the same arguments and calls Run, then, when all have returned from it, Finish.
class BatchAttention {
 public:
  BatchAttention(const AttentionKernel& kernel, std::span<const BatchRow> batch,
                 const KvLayer& where, const KvCache& cache, std::span<AttentionScratch> threads,
                 const float* queries /*[batch, q_dim]*/, float* out /*[batch, q_dim]*/);

  void Run(size_t thread) const;
  void Finish(size_t thread) const;

 private:
  // Successive tokens of one sequence and query heads of one key-value head.
  struct Tile {
    size_t row;            // of the batch, the first
    size_t positions;      // so many rows
    IndexRange tokens;     // that any of them attends to
    size_t head;           // the first query head
    uint64_t work_before;  // of all tiles before
    size_t first_thread;   // that has the first block
    size_t last_thread;    // that has the last block
  };

  size_t FirstToken(const BatchRow& row) const;
  Tile TileAt(size_t row) const;
  size_t Rows(const Tile& tile) const { return tile.positions * heads_; }
  // Of `tokens` keys and values and the rows of a tile.
  uint64_t Work(const Tile& tile, size_t tokens) const;
  size_t ThreadAt(uint64_t work_before) const { return work_before * threads_.size() / work_; }
  size_t ThreadOf(const Tile& tile, size_t block) const;
  template <typename Visit>
  void ForEachTile(Visit visit) const;

  AttentionSums Sums(AlignedBuffer<float>& buffer, size_t index) const;
  AttentionSums EmptySums(const Tile& tile, AlignedBuffer<float>& buffer, size_t index) const;
  void RunBlock(const Tile& tile, size_t block, const AttentionSums& sums, size_t thread) const;
  void Store(const Tile& tile, const AttentionSums& sums) const;

  const AttentionKernel& kernel_;
  const std::span<const BatchRow> batch_;
  const KvLayer where_;
  const size_t heads_;  // of a tile
  const KvCache& cache_;
  const std::span<AttentionScratch> threads_;
  const float* const queries_;
  float* const out_;
  uint64_t work_ = 0;  // of the batch
};

}  // namespace tern

#endif  // TERN_MODEL_ATTENTION_H_
