// SPDX-License-Identifier: MIT
#include "model/layer.h"

namespace tern {
namespace {

// h += W quant(norm(x)), or with a norm behind it: h += post_norm(W quant(norm(x))).
void ProjectBack(const float* x, const NormWeights& norm, const BitLinear& matrix,
                 const NormWeights& post_norm, size_t rows, Lane& lane, float* h) {
  if (post_norm.empty()) {
    lane.Project(x, norm, rows, {{matrix, h}}, Output::kAdd);
    return;
  }
  float* projected = lane.activations().projected;
  lane.Project(x, norm, rows, {{matrix, projected}});
  lane.NormAndAdd(projected, post_norm, rows, h);
}

}  // namespace

void RunLayer(const LayerWeights& w, std::span<const BatchRow> batch, LayerIndex index,
              KvCache& cache, Lane& lane, float* h) {
  const size_t rows = batch.size();
  const Activations& a = lane.activations();

  // x = quant(norm(h));  h += W_output quant(norm(attention(rope(W_q x), rope(W_k x), W_v x)))
  lane.Project(h, w.attn_norm, rows, {{w.attn_q, a.q}, {w.attn_k, a.k}, {w.attn_v, a.v}});
  lane.RotateAndStore(batch, index.layer, index.cached, w.attn_q_norm, w.attn_k_norm, cache);
  lane.Attend(batch, index.layer, index.cached, cache);
  ProjectBack(a.attended, w.attn_sub_norm, w.attn_output, w.post_attention_norm, rows, lane, h);

  // x = quant(norm(h));  h += W_down quant(norm(activation(W_gate x) * (W_up x)))
  lane.ProjectGated(h, w.ffn_norm, rows, w.ffn_gate, w.ffn_up);
  ProjectBack(a.gated, w.ffn_sub_norm, w.ffn_down, w.post_ffw_norm, rows, lane, h);
}

}  // namespace tern
