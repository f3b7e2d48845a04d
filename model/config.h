// SPDX-License-Identifier: MIT
// The shape of a model: everything the forward pass needs to know besides weights.
#ifndef TERN_MODEL_CONFIG_H_
#define TERN_MODEL_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "model/tensor.h"

namespace tern {

struct ModelConfig {
  std::string architecture;  // "bitnet-b1.58"
  std::string name;
  uint32_t vocab = 0;
  uint32_t dim = 0;      // width of the residual stream
  uint32_t ffn_dim = 0;  // width between up and down
  uint32_t layers = 0;
  uint32_t heads = 0;
  uint32_t kv_heads = 0;
  uint32_t head_dim = 0;  // dim / heads
  uint32_t context = 0;   // most tokens of a sequence
  float rope_theta = 0;
  float norm_eps = 0;

  uint32_t kv_dim() const { return kv_heads * head_dim; }

  bool operator==(const ModelConfig&) const = default;
};

// Whether the forward pass can run this shape: all positive and within sane bounds (so that no
// product of them overflows 64 bits), dim and ffn_dim multiples of 128, kv_dim of 16,
// heads * head_dim == dim, heads a multiple of kv_heads, head_dim even. INVALID_ARGUMENT naming
// the field otherwise.
absl::Status Validate(const ModelConfig& config);

// Names and shapes of the tensors of one layer, of the embedding (also the tied head), and of the
// final norm: what a stage needs and what a file must hold. Types are those of the official
// bitnet-b1.58 file: norms F32, projections I2_S, embedding F16. REQUIRES a config that Validate
// accepts.
std::vector<TensorInfo> LayerTensors(const ModelConfig& config, uint32_t layer);
TensorInfo EmbeddingTensor(const ModelConfig& config);
TensorInfo OutputNormTensor(const ModelConfig& config);

}  // namespace tern

#endif  // TERN_MODEL_CONFIG_H_
