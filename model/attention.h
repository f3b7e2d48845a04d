// SPDX-License-Identifier: MIT
// Causal attention of one query head over the cached keys and values of its sequence.
#ifndef TERN_MODEL_ATTENTION_H_
#define TERN_MODEL_ATTENTION_H_

#include <cstddef>
#include <cstdint>

#include "kernels/vector_ops.h"
#include "model/kv_cache.h"

namespace tern {

// One row of a batch: a token of some sequence.
struct BatchRow {
  uint32_t position = 0;            // of the token in its sequence
  const uint32_t* pages = nullptr;  // the sequence's page table, up to the token at least
};

// Where a layer's keys and values lie in the cache.
struct KvLayer {
  uint32_t layer = 0;     // of the cache
  uint32_t kv_dim = 0;    // elements of a cached token
  uint32_t head_dim = 0;  // elements of one head of it
  uint32_t window = 0;    // how many tokens back it attends, the own one included; 0: all
  float scale = 0;        // of the scores
};

// Writes a token's keys and values, [kv_dim] each, to its place in the cache: as they are, or
// rounded to f16.
void StoreKeyValue(const VectorOps& ops, const BatchRow& row, const KvLayer& where,
                   const float* keys, const float* values, KvCache& cache);

// out = sum over i of softmax_i(scale * query . key_i) value_i, over the tokens i <= row.position
// that are in the window.
//
// The order of float operations, the same for any batch and any page table: scores are
// (key_i . query) * scale; then their maximum, e^(score - maximum), and the sum of those, over all
// keys as kernels/vector_ops.h has it; then the values weighted by the exponentials, added in key
// order from 0; at last a division by the sum.
void Attend(const VectorOps& ops, const BatchRow& row, const KvLayer& where, uint32_t kv_head,
            const KvCache& cache, const float* query /*[head_dim]*/,
            float* scores /*[position + 1], scratch*/, float* out /*[head_dim]*/);

}  // namespace tern

#endif  // TERN_MODEL_ATTENTION_H_
