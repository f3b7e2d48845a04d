// SPDX-License-Identifier: MIT
// The shape of a model: everything the forward pass needs to know besides weights.
#ifndef TERN_MODEL_CONFIG_H_
#define TERN_MODEL_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "formats/tensor.h"
#include "model/rotation.h"

namespace tern {

// A head of keys and values is at most so wide.
inline constexpr uint32_t kMaxHeadDim = 1 << 10;

// What stands between gate and up: relu(x)^2, x sigmoid(x), or the tanh form of GELU.
enum class Activation : uint8_t { kSquaredRelu, kSilu, kGelu };

// What projections multiply: int8 with one factor a token, as BitNet b1.58 was trained, or three
// int8 digits (kernels/group_gemm.h) for models whose weights alone were quantised.
enum class ActivationBits : uint8_t { k8, k22 };

// How positions past the trained context are rotated.
enum class RopeScaling : uint8_t { kNone, kLinear, kYarn };

struct ModelConfig {
  std::string architecture;  // as GGUF names it: "bitnet-b1.58", "llama", ...
  std::string name;
  uint32_t vocab = 0;
  uint32_t dim = 0;      // width of the residual stream
  uint32_t ffn_dim = 0;  // width between up and down
  uint32_t layers = 0;
  uint32_t heads = 0;
  uint32_t kv_heads = 0;
  uint32_t head_dim = 0;
  uint32_t context = 0;  // most tokens of a sequence
  float rope_theta = 0;
  float norm_eps = 0;

  Activation activation = Activation::kSquaredRelu;
  ActivationBits activation_bits = ActivationBits::k8;
  uint32_t group_cols = 0;        // kGroupCols for k22; 0 for k8: scales are of whole rows
  bool sub_norms = false;         // norms before attn_output and ffn_down (BitNet b1.58)
  bool projection_norms = false;  // a norm of its own before every projection (BitNet embedding)
  bool qk_norms = false;          // norms of each head of q and k before RoPE (Qwen 3, Gemma 3)
  bool post_norms = false;        // norms after attn_output and ffn_down (Gemma 3)
  bool has_head = true;           // false: an embedding model, which has no logits
  bool tied_head = true;          // the head is the embedding
  bool interleaved_rope =
      false;  // rows of q and k are stored for pairs (2j, 2j + 1), as in `llama`
  TensorType embedding_type = TensorType::kF16;
  TensorType head_type = TensorType::kF16;  // the embedding's if tied
  float embedding_scale = 1;                // Gemma: sqrt(dim)
  float attention_scale = 0;                // 0: 1 / sqrt(head_dim)

  // Layers attend to the last `sliding_window` tokens only, and rotate by `local_rope_theta`, but
  // for every `sliding_pattern`-th. 0: all layers attend to everything.
  uint32_t sliding_window = 0;
  uint32_t sliding_pattern = 0;
  float local_rope_theta = 0;

  RopeScaling rope_scaling = RopeScaling::kNone;
  float rope_factor = 1;               // how many times the trained context
  uint32_t rope_original_context = 0;  // the trained context, for kYarn

  Rotation rotation;  // of the inputs of some matrices (prism.hadamard.*)

  uint32_t q_dim() const { return heads * head_dim; }
  uint32_t kv_dim() const { return kv_heads * head_dim; }
  // Numbers that the last stage gives for a row: logits, or the output of an embedding model.
  uint32_t outputs() const { return has_head ? vocab : dim; }
  // Whether `layer` attends to a window only.
  bool is_local(uint32_t layer) const {
    return sliding_window > 0 && (layer + 1) % sliding_pattern != 0;
  }

  bool operator==(const ModelConfig&) const = default;
};

// Whether the forward pass can run this shape: sizes positive and within sane bounds (so that no
// product of them overflows 64 bits), dim, ffn_dim and q_dim multiples of 16 and of the group and
// the rotation's block, kv_dim of 16, heads a multiple of kv_heads, head_dim even, features that go
// together. INVALID_ARGUMENT naming the field otherwise.
absl::Status Validate(const ModelConfig& config);

// Makes `most`, unless it is 0, the most tokens of a sequence. INVALID_ARGUMENT if the model does
// not allow as many.
absl::Status LimitContext(uint32_t most, ModelConfig& config);

// Columns whose products are summed as integers before they are scaled, where columns have scales
// of their own: the smallest group of any file type, so that sums and bits do not depend on which
// of them holds the weights.
inline constexpr uint32_t kGroupCols = 64;

// What a tensor is for, which decides the types it may have.
enum class TensorRole { kNorm, kMatrix, kEmbedding, kHead };

// A tensor that a model needs.
struct TensorSpec {
  std::string name;
  TensorRole role = TensorRole::kNorm;
  std::vector<uint64_t> shape;  // innermost first
};

// The tensors of one layer, of the embedding, of the head (the embedding if tied) and of the final
// norm: what a stage needs and what a file must hold. REQUIRES a config that Validate accepts.
std::vector<TensorSpec> LayerTensors(const ModelConfig& config, uint32_t layer);
TensorSpec EmbeddingTensor(const ModelConfig& config);
TensorSpec HeadTensor(const ModelConfig& config);
TensorSpec OutputNormTensor(const ModelConfig& config);

// Whether `found` can serve as `want`: the shape; F32, F16 or BF16 for a norm; a ternary type whose
// groups of columns fit the config for a matrix; the config's type for the embedding and the head.
// DATA_LOSS, naming the tensor, otherwise.
absl::Status CheckTensor(const ModelConfig& config, const TensorSpec& want,
                         const TensorInfo& found);

}  // namespace tern

#endif  // TERN_MODEL_CONFIG_H_
