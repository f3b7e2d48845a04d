// SPDX-License-Identifier: MIT
// One transformer layer of BitNet b1.58 (arXiv:2402.17764, as BitNet-b1.58-2B-4T has it). Start
// here: model/layer.cc reads like the paper.
#ifndef TERN_MODEL_LAYER_H_
#define TERN_MODEL_LAYER_H_

#include <cstdint>
#include <span>

#include "base/aligned_buffer.h"
#include "model/attention.h"
#include "model/bit_linear.h"
#include "model/compute.h"
#include "model/kv_cache.h"

namespace tern {

struct LayerWeights {
  AlignedBuffer<float> attn_norm;      // [dim]
  BitLinear attn_q;                    // [dim, dim]
  BitLinear attn_k;                    // [kv_dim, dim]
  BitLinear attn_v;                    // [kv_dim, dim]
  AlignedBuffer<float> attn_sub_norm;  // [dim]
  BitLinear attn_output;               // [dim, dim]
  AlignedBuffer<float> ffn_norm;       // [dim]
  BitLinear ffn_gate;                  // [ffn_dim, dim]
  BitLinear ffn_up;                    // [ffn_dim, dim]
  AlignedBuffer<float> ffn_sub_norm;   // [ffn_dim]
  BitLinear ffn_down;                  // [dim, ffn_dim]
};

// Runs a layer, the one with number `layer` in `cache`, on the residual stream `h`, in place, and
// writes the keys and values of `batch` to the cache. Every thread of a Compute::Run calls it: each
// does its lane's share of every step.
void RunLayer(const LayerWeights& w, std::span<const BatchRow> batch, uint32_t layer,
              KvCache& cache, Lane& lane, float* h /*[batch, dim]*/);

}  // namespace tern

#endif  // TERN_MODEL_LAYER_H_
