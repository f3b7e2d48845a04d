// SPDX-License-Identifier: MIT
#include "cluster/config_wire.h"

#include <algorithm>

#include "base/status_macros.h"
#include "cluster/wire_checks.h"

namespace tern {
namespace {

void FillRotation(const Rotation& from, v1::Rotation& to) {
  to.set_block_cols(from.block_cols);
  for (const auto& [width, signs] : from.signs) {
    v1::Rotation::Signs& to_signs = *to.add_signs();
    to_signs.set_width(width);
    for (const int8_t sign : signs) to_signs.mutable_negative()->push_back(sign < 0 ? 1 : 0);
  }
  for (const std::string& name : from.weights) to.add_weights(name);
  to.set_embedding(from.embedding);
}

absl::StatusOr<Rotation> ParseRotation(const v1::Rotation& proto) {
  Rotation rotation;
  rotation.block_cols = proto.block_cols();
  rotation.embedding = proto.embedding();
  for (const v1::Rotation::Signs& signs : proto.signs()) {
    std::vector<int8_t>& to = rotation.signs[signs.width()];
    for (const char negative : signs.negative()) to.push_back(negative == 0 ? 1 : -1);
  }
  for (const std::string& name : proto.weights()) {
    TERN_RETURN_IF_ERROR(CheckName("rotation.weights", name));
    rotation.weights.push_back(name);
  }
  std::sort(rotation.weights.begin(), rotation.weights.end());
  return rotation;
}

}  // namespace

void FillConfig(const ModelConfig& from, v1::Config& to) {
  to.set_architecture(from.architecture);
  to.set_name(from.name);
  to.set_vocab(from.vocab);
  to.set_dim(from.dim);
  to.set_ffn_dim(from.ffn_dim);
  to.set_layers(from.layers);
  to.set_heads(from.heads);
  to.set_kv_heads(from.kv_heads);
  to.set_head_dim(from.head_dim);
  to.set_context(from.context);
  to.set_rope_theta(from.rope_theta);
  to.set_norm_eps(from.norm_eps);
  to.set_group_cols(from.group_cols);
  to.set_sub_norms(from.sub_norms);
  to.set_projection_norms(from.projection_norms);
  to.set_qk_norms(from.qk_norms);
  to.set_post_norms(from.post_norms);
  to.set_has_head(from.has_head);
  to.set_tied_head(from.tied_head);
  to.set_interleaved_rope(from.interleaved_rope);
  to.set_embedding_scale(from.embedding_scale);
  to.set_attention_scale(from.attention_scale);
  to.set_sliding_window(from.sliding_window);
  to.set_sliding_pattern(from.sliding_pattern);
  to.set_local_rope_theta(from.local_rope_theta);
  to.set_rope_factor(from.rope_factor);
  to.set_rope_original_context(from.rope_original_context);
  to.set_activation(static_cast<uint32_t>(from.activation));
  to.set_activation_bits(from.activation_bits == ActivationBits::k22 ? 22 : 8);
  to.set_embedding_type(static_cast<uint32_t>(from.embedding_type));
  to.set_head_type(static_cast<uint32_t>(from.head_type));
  to.set_rope_scaling(static_cast<uint32_t>(from.rope_scaling));
  FillRotation(from.rotation, *to.mutable_rotation());
}

absl::StatusOr<ModelConfig> ParseConfig(const v1::Config& proto) {
  ModelConfig config;
  config.architecture = proto.architecture();
  config.name = proto.name();
  config.vocab = proto.vocab();
  config.dim = proto.dim();
  config.ffn_dim = proto.ffn_dim();
  config.layers = proto.layers();
  config.heads = proto.heads();
  config.kv_heads = proto.kv_heads();
  config.head_dim = proto.head_dim();
  config.context = proto.context();
  config.rope_theta = proto.rope_theta();
  config.norm_eps = proto.norm_eps();
  config.group_cols = proto.group_cols();
  config.sub_norms = proto.sub_norms();
  config.projection_norms = proto.projection_norms();
  config.qk_norms = proto.qk_norms();
  config.post_norms = proto.post_norms();
  config.has_head = proto.has_head();
  config.tied_head = proto.tied_head();
  config.interleaved_rope = proto.interleaved_rope();
  config.embedding_scale = proto.embedding_scale();
  config.attention_scale = proto.attention_scale();
  config.sliding_window = proto.sliding_window();
  config.sliding_pattern = proto.sliding_pattern();
  config.local_rope_theta = proto.local_rope_theta();
  config.rope_factor = proto.rope_factor();
  config.rope_original_context = proto.rope_original_context();
  TERN_RETURN_IF_ERROR(CheckName("architecture", config.architecture));
  TERN_RETURN_IF_ERROR(CheckText("model name", config.name, kMaxNameBytes));
  TERN_RETURN_IF_ERROR(CheckRange("activation", proto.activation(), 0, 2));
  config.activation = static_cast<Activation>(proto.activation());
  TERN_RETURN_IF_ERROR(CheckRange("rope_scaling", proto.rope_scaling(), 0, 2));
  config.rope_scaling = static_cast<RopeScaling>(proto.rope_scaling());
  if (proto.activation_bits() != 8 && proto.activation_bits() != 22) {
    return Refuse("activation_bits", std::to_string(proto.activation_bits()), "8 or 22");
  }
  config.activation_bits = proto.activation_bits() == 22 ? ActivationBits::k22 : ActivationBits::k8;
  config.embedding_type = static_cast<TensorType>(proto.embedding_type());
  config.head_type = static_cast<TensorType>(proto.head_type());
  TERN_ASSIGN_OR_RETURN(config.rotation, ParseRotation(proto.rotation()));
  TERN_RETURN_IF_ERROR(Validate(config));
  return config;
}

}  // namespace tern
