// SPDX-License-Identifier: MIT
// One transformer layer: BitNet b1.58 (arXiv:2402.17764), and what Llama, Qwen 3 and Gemma 3 add to
// it or leave out. Start here: model/layer.cc reads like the papers.
#ifndef TERN_MODEL_LAYER_H_
#define TERN_MODEL_LAYER_H_

#include <array>
#include <cstdint>
#include <span>

#include "base/aligned_buffer.h"
#include "model/attention.h"
#include "model/bit_linear.h"
#include "model/compute.h"
#include "model/kv_cache.h"

namespace tern {

// Norms that a model has not are empty (model/config.h says which it has).
struct LayerWeights {
  NormWeights attn_norm;            // [dim]
  BitLinear attn_q;                 // [q_dim, dim]
  BitLinear attn_k;                 // [kv_dim, dim]
  BitLinear attn_v;                 // [kv_dim, dim]
  NormWeights attn_q_norm;          // [head_dim]
  NormWeights attn_k_norm;          // [head_dim]
  NormWeights attn_sub_norm;        // [q_dim]
  BitLinear attn_output;            // [dim, q_dim]
  NormWeights post_attention_norm;  // [dim]
  NormWeights ffn_norm;             // [dim]
  BitLinear ffn_gate;               // [ffn_dim, dim]
  BitLinear ffn_up;                 // [ffn_dim, dim]
  NormWeights ffn_sub_norm;         // [ffn_dim]
  BitLinear ffn_down;               // [dim, ffn_dim]
  NormWeights post_ffw_norm;        // [dim]
};

inline std::array<const BitLinear*, 7> MatricesOf(const LayerWeights& layer) {
  return {&layer.attn_q,   &layer.attn_k, &layer.attn_v,  &layer.attn_output,
          &layer.ffn_gate, &layer.ffn_up, &layer.ffn_down};
}

// Which layer: of the model, and of the stage's cache.
struct LayerIndex {
  uint32_t layer = 0;
  uint32_t cached = 0;
};

// Runs a layer on the residual stream `h`, in place, and writes the keys and values of `batch` to
// the cache. Every thread of a Compute::Run calls it: each does its lane's share of every step.
void RunLayer(const LayerWeights& w, std::span<const BatchRow> batch, LayerIndex index,
              KvCache& cache, Lane& lane, float* h /*[batch, dim]*/);

}  // namespace tern

#endif  // TERN_MODEL_LAYER_H_
