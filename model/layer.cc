// SPDX-License-Identifier: MIT
#include "model/layer.h"

namespace tern {

void RunLayer(const LayerWeights& w, std::span<const BatchRow> batch, uint32_t layer,
              KvCache& cache, Lane& lane, float* h) {
  const size_t rows = batch.size();
  Activations& a = lane.activations();

  // x = quant(norm(h));  h += W_output quant(norm(attention(rope(W_q x), rope(W_k x), W_v x)))
  lane.NormAndQuantize(h, w.attn_norm, rows, a.x);
  lane.Multiply(a.x, rows, {{w.attn_q, a.q}, {w.attn_k, a.k}, {w.attn_v, a.v}});
  lane.RotateAndStore(batch, layer, a.q, a.k, a.v, cache);
  lane.Attend(batch, layer, cache, a.q, a.attended);
  lane.NormAndQuantize(a.attended, w.attn_sub_norm, rows, a.x);
  lane.MultiplyAdd(a.x, rows, {w.attn_output, h});

  // x = quant(norm(h));  h += W_down quant(norm(relu(W_gate x)^2 * (W_up x)))
  lane.NormAndQuantize(h, w.ffn_norm, rows, a.x);
  lane.Multiply(a.x, rows, {{w.ffn_gate, a.gate}, {w.ffn_up, a.up}});
  lane.SquaredReluTimes(rows, a.gate, a.up);
  lane.NormAndQuantize(a.gate, w.ffn_sub_norm, rows, a.x);
  lane.MultiplyAdd(a.x, rows, {w.ffn_down, h});
}

}  // namespace tern
