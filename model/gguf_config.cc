// SPDX-License-Identifier: MIT
#include "model/gguf_config.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/about.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "formats/ternary.h"
#include "kernels/i2s.h"
#include "model/gguf_keys.h"
#include "model/gguf_rotation.h"
#include "model/weights.h"

namespace tern {
namespace {

// What an architecture's name says of its layers.
struct Architecture {
  const char* name;
  Activation activation;
  bool sub_norms;
  bool qk_norms;
  bool post_norms;
  bool interleaved_rope;
  bool always_tied;  // an output.weight beside the embedding is a copy of it
};

constexpr Architecture kArchitectures[] = {
    {"bitnet-b1.58", Activation::kSquaredRelu, true, false, false, false, true},
    {"bitnet-25", Activation::kSquaredRelu, true, false, false, false, true},
    {"bitnet", Activation::kSilu, true, false, false, false, true},
    {"llama", Activation::kSilu, false, false, false, true, false},
    {"qwen3", Activation::kSilu, false, true, false, false, false},
    {"gemma3", Activation::kGelu, false, true, true, false, false},
};

constexpr std::pair<const char*, Activation> kActivations[] = {
    {"relu2", Activation::kSquaredRelu},
    {"silu", Activation::kSilu},
    {"gelu", Activation::kGelu},
};

absl::StatusOr<const Architecture*> FindArchitecture(const GgufFile& file) {
  const absl::StatusOr<std::string> found = file.String("general.architecture");
  if (absl::IsNotFound(found.status())) return absl::DataLossError(found.status().message());
  if (!found.ok()) return found.status();
  for (const Architecture& architecture : kArchitectures) {
    if (*found == architecture.name) return &architecture;
  }
  return absl::FailedPreconditionError(absl::StrCat(file.name(), ": architecture: found ", *found,
                                                    ", this build runs ",
                                                    absl::StrJoin(KnownArchitectures(), ", ")));
}

absl::StatusOr<uint32_t> ReadVocab(const GgufFile& file, const GgufKeys& keys) {
  uint64_t tokens = 0;
  if (file.Has("tokenizer.ggml.tokens")) {
    TERN_ASSIGN_OR_RETURN(const auto* names, file.Strings("tokenizer.ggml.tokens"));
    tokens = names->size();
  }
  if (!keys.Has("vocab_size")) {
    // Files of other programs may leave it to the embedding's rows.
    const absl::StatusOr<TensorView> embedding = file.Find("token_embd.weight");
    const uint64_t rows = embedding.ok() ? embedding->info.rows() : tokens;
    if (rows > 0 && rows <= UINT32_MAX) return static_cast<uint32_t>(rows);
  }
  TERN_ASSIGN_OR_RETURN(const uint32_t vocab, keys.Unsigned("vocab_size"));
  if (tokens > vocab) {
    return absl::DataLossError(absl::StrCat(file.name(), ": tokenizer.ggml.tokens: found ", tokens,
                                            " tokens, want at most vocab_size, ", vocab));
  }
  return vocab;
}

absl::Status ReadSizes(const GgufFile& file, const GgufKeys& keys, ModelConfig& config) {
  if (file.Has("general.name")) {
    TERN_ASSIGN_OR_RETURN(config.name, file.String("general.name"));
  }
  TERN_ASSIGN_OR_RETURN(config.vocab, ReadVocab(file, keys));
  TERN_ASSIGN_OR_RETURN(config.context, keys.Unsigned("context_length"));
  TERN_ASSIGN_OR_RETURN(config.dim, keys.Unsigned("embedding_length"));
  TERN_ASSIGN_OR_RETURN(config.layers, keys.Unsigned("block_count"));
  TERN_ASSIGN_OR_RETURN(config.ffn_dim, keys.Unsigned("feed_forward_length"));
  TERN_ASSIGN_OR_RETURN(config.heads, keys.Unsigned("attention.head_count"));
  TERN_ASSIGN_OR_RETURN(config.kv_heads, keys.UnsignedOr("attention.head_count_kv", config.heads));
  const uint32_t head_dim = config.heads == 0 ? 0 : config.dim / config.heads;
  TERN_ASSIGN_OR_RETURN(config.head_dim, keys.UnsignedOr("attention.key_length", head_dim));
  TERN_ASSIGN_OR_RETURN(config.norm_eps, keys.Float("attention.layer_norm_rms_epsilon"));
  return absl::OkStatus();
}

absl::Status ReadRope(const GgufFile& file, const GgufKeys& keys, ModelConfig& config) {
  constexpr float kUsualTheta = 10000;  // what a file without the key means
  TERN_ASSIGN_OR_RETURN(config.rope_theta, keys.FloatOr("rope.freq_base", kUsualTheta));
  TERN_ASSIGN_OR_RETURN(const std::string scaling, keys.StringOr("rope.scaling.type", "none"));
  if (scaling == "linear" || scaling == "yarn") {
    config.rope_scaling = scaling == "yarn" ? RopeScaling::kYarn : RopeScaling::kLinear;
    TERN_ASSIGN_OR_RETURN(config.rope_factor, keys.Float("rope.scaling.factor"));
    if (scaling == "yarn") {
      TERN_ASSIGN_OR_RETURN(config.rope_original_context,
                            keys.Unsigned("rope.scaling.original_context_length"));
    }
  } else if (scaling != "none") {
    return absl::FailedPreconditionError(
        absl::StrCat(file.name(), ": ", keys.Name("rope.scaling.type"), ": found ", scaling,
                     ", this build runs none, linear, yarn"));
  }
  if (!keys.Has("attention.sliding_window")) return absl::OkStatus();
  constexpr uint32_t kGemmaPattern = 6;
  TERN_ASSIGN_OR_RETURN(config.sliding_window, keys.Unsigned("attention.sliding_window"));
  TERN_ASSIGN_OR_RETURN(config.sliding_pattern,
                        keys.UnsignedOr("attention.sliding_window_pattern", kGemmaPattern));
  TERN_ASSIGN_OR_RETURN(config.local_rope_theta, keys.FloatOr("rope.freq_base_swa", kUsualTheta));
  return absl::OkStatus();
}

absl::Status ReadActivation(const GgufFile& file, const GgufKeys& keys, ModelConfig& config) {
  if (!keys.Has("hidden_activation")) return absl::OkStatus();
  TERN_ASSIGN_OR_RETURN(const std::string found, keys.StringOr("hidden_activation", ""));
  for (const auto& [name, activation] : kActivations) {
    if (found != name) continue;
    config.activation = activation;
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(file.name(), ": ",
                                                    keys.Name("hidden_activation"), ": found ",
                                                    found, ", this build runs relu2, silu, gelu"));
}

// Refuses what the forward pass would silently ignore.
absl::Status CheckFeatures(const GgufFile& file, const GgufKeys& keys, const ModelConfig& config) {
  const std::pair<const char*, uint32_t> fixed[] = {{"rope.dimension_count", config.head_dim},
                                                    {"attention.key_length", config.head_dim},
                                                    {"attention.value_length", config.head_dim},
                                                    {"expert_count", 0}};
  for (const auto& [key, want] : fixed) {
    TERN_ASSIGN_OR_RETURN(const uint32_t found, keys.UnsignedOr(key, want));
    if (found != want) {
      return absl::FailedPreconditionError(absl::StrCat(file.name(), ": ", keys.Name(key),
                                                        ": found ", found, ", this build runs ",
                                                        want, want == 0 ? "" : ", the whole head"));
    }
  }
  for (const char* key : {"rope.scaling.attn_factor", "rope.scaling.yarn_attn_factor",
                          "rope.scaling.yarn_ext_factor"}) {
    TERN_ASSIGN_OR_RETURN(const float found, keys.FloatOr(key, 1));
    if (found != 1) {
      return absl::FailedPreconditionError(absl::StrCat(file.name(), ": ", keys.Name(key),
                                                        ": found ", found, ", this build runs 1"));
    }
  }
  for (const TensorInfo& tensor : file.tensors()) {
    if (absl::EndsWith(tensor.name, ".bias") || absl::StartsWith(tensor.name, "rope_f")) {
      return absl::FailedPreconditionError(absl::StrCat(file.name(), ": tensor ", tensor.name,
                                                        ": this build runs no model that has one"));
    }
  }
  return absl::OkStatus();
}

// Which norms and tables the file has, and of which types the tables are.
absl::Status ReadTensorFacts(const Architecture& architecture, const TensorSource& tensors,
                             ModelConfig& config) {
  config.projection_norms = tensors.Find("blk.0.attn_q_norm_in.weight").ok();
  config.has_head = !config.projection_norms;  // BitNet's embedding models
  const std::string embedding_name = EmbeddingTensor(config).name;
  const absl::StatusOr<TensorView> embedding = tensors.Find(embedding_name);
  if (absl::IsNotFound(embedding.status())) {
    return absl::DataLossError(embedding.status().message());
  }
  if (!embedding.ok()) return embedding.status();
  config.embedding_type = config.head_type = embedding->info.type;
  config.tied_head = true;
  const absl::StatusOr<TensorView> head = tensors.Find("output.weight");
  if (absl::IsNotFound(head.status()) || architecture.always_tied || !config.has_head) {
    return absl::OkStatus();
  }
  if (!head.ok()) return head.status();
  config.tied_head = false;
  config.head_type = head->info.type;
  return absl::OkStatus();
}

// Whether the rows of a matrix have one scale each: so has BitLinear, whose activations are int8.
// Others had their weights alone quantised.
absl::StatusOr<bool> HasRowScales(const TensorView& tensor) {
  const uint64_t cols = tensor.info.cols();
  const uint64_t scale_cols = ScaleCols(tensor.info.type, cols);
  if (scale_cols == cols) return true;
  const uint64_t groups = cols / scale_cols;
  std::vector<int8_t> trits(cols);
  std::vector<float> scales(groups);
  float first = 0;  // of a group that is not all zeros
  for (uint64_t row = 0; row < tensor.info.rows(); ++row) {
    TERN_RETURN_IF_ERROR(UnpackTernary(tensor, row, row + 1, {trits.data(), scales.data()}));
    for (uint64_t group = 0; group < groups; ++group) {
      const auto begin = trits.begin() + static_cast<ptrdiff_t>(group * scale_cols);
      const auto end = begin + static_cast<ptrdiff_t>(scale_cols);
      if (std::all_of(begin, end, [](int8_t trit) { return trit == 0; })) continue;
      if (first != 0 && scales[group] != first) return false;
      first = scales[group];
    }
  }
  return true;
}

// From the first matrix that has scales for groups of columns.
absl::Status ReadActivationBits(const TensorSource& tensors, ModelConfig& config) {
  for (const TensorSpec& want : LayerTensors(config, 0)) {
    if (want.role != TensorRole::kMatrix) continue;
    const absl::StatusOr<TensorView> found = tensors.Find(want.name);
    if (absl::IsNotFound(found.status())) return absl::DataLossError(found.status().message());
    if (!found.ok()) return found.status();
    if (!IsTernary(found->info.type) || found->info.cols() == 0) continue;  // refused later
    TERN_ASSIGN_OR_RETURN(const bool row_scales, HasRowScales(*found));
    if (row_scales) continue;
    config.activation_bits = ActivationBits::k22;
    config.group_cols = kGroupCols;
    return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status CheckTensors(const GgufFile& file, const TensorSource& tensors,
                          const ModelConfig& config) {
  for (const TensorSpec& want : StageTensorSpecs(config, {0, config.layers})) {
    const absl::StatusOr<TensorView> view = tensors.Find(want.name);
    if (absl::IsNotFound(view.status())) return absl::DataLossError(view.status().message());
    if (!view.ok()) return view.status();
    TERN_RETURN_IF_ERROR(About(file.name(), CheckTensor(config, want, view->info)));
    if (view->info.type != TensorType::kI2S) continue;
    float scale = 0;
    std::memcpy(&scale, view->data.data() + view->data.size() - kI2STailBytes, sizeof(scale));
    if (!std::isfinite(scale)) {
      return absl::DataLossError(absl::StrCat(file.name(), ": tensor ", want.name, ": found scale ",
                                              scale, ", want a finite number"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<std::string> KnownArchitectures() {
  std::vector<std::string> names;
  for (const Architecture& architecture : kArchitectures) names.push_back(architecture.name);
  return names;
}

absl::StatusOr<ModelConfig> ReadModelConfig(const GgufFile& file, const TensorSource& tensors) {
  TERN_ASSIGN_OR_RETURN(const Architecture* architecture, FindArchitecture(file));
  const GgufKeys keys(file, architecture->name);
  ModelConfig config;
  config.architecture = architecture->name;
  config.activation = architecture->activation;
  config.sub_norms = architecture->sub_norms;
  config.qk_norms = architecture->qk_norms;
  config.post_norms = architecture->post_norms;
  config.interleaved_rope = architecture->interleaved_rope;
  TERN_RETURN_IF_ERROR(ReadSizes(file, keys, config));
  TERN_RETURN_IF_ERROR(ReadRope(file, keys, config));
  TERN_RETURN_IF_ERROR(ReadActivation(file, keys, config));
  if (config.architecture == "gemma3") {
    config.embedding_scale = std::sqrt(static_cast<float>(config.dim));
    TERN_ASSIGN_OR_RETURN(const float scalar, keys.FloatOr("attention.query_pre_attn_scalar", 0));
    if (scalar > 0) config.attention_scale = static_cast<float>(1.0 / std::sqrt(double{scalar}));
  }
  TERN_RETURN_IF_ERROR(CheckFeatures(file, keys, config));
  TERN_RETURN_IF_ERROR(ReadTensorFacts(*architecture, tensors, config));
  TERN_ASSIGN_OR_RETURN(config.rotation, ReadRotation(file));
  // Before anything is sized by it.
  const auto validate = [&] {
    const absl::Status valid = Validate(config);
    if (valid.ok()) return valid;
    return absl::DataLossError(absl::StrCat(file.name(), ": ", valid.message()));
  };
  TERN_RETURN_IF_ERROR(validate());
  TERN_RETURN_IF_ERROR(ReadActivationBits(tensors, config));
  TERN_RETURN_IF_ERROR(validate());
  TERN_RETURN_IF_ERROR(CheckTensors(file, tensors, config));
  return config;
}

void AppendModelConfig(const ModelConfig& config,
                       std::vector<std::pair<std::string, GgufValue>>& metadata) {
  const std::string& arch = config.architecture;
  TERN_CHECK(arch != "llama" || config.interleaved_rope);
  const auto add = [&](absl::string_view key, auto value) {
    metadata.emplace_back(absl::StrCat(arch, ".", key), GgufValue{value});
  };
  const auto add_unsigned = [&](absl::string_view key, uint64_t value) { add(key, value); };
  const auto add_float = [&](absl::string_view key, float value) { add(key, double{value}); };
  metadata.emplace_back("general.architecture", GgufValue{arch});
  if (!config.name.empty()) metadata.emplace_back("general.name", GgufValue{config.name});
  add_unsigned("vocab_size", config.vocab);
  add_unsigned("context_length", config.context);
  add_unsigned("embedding_length", config.dim);
  add_unsigned("block_count", config.layers);
  add_unsigned("feed_forward_length", config.ffn_dim);
  add_unsigned("attention.head_count", config.heads);
  add_unsigned("attention.head_count_kv", config.kv_heads);
  add_unsigned("attention.key_length", config.head_dim);
  add_unsigned("attention.value_length", config.head_dim);
  add_unsigned("rope.dimension_count", config.head_dim);
  add_float("attention.layer_norm_rms_epsilon", config.norm_eps);
  add_float("rope.freq_base", config.rope_theta);
  for (const auto& [name, activation] : kActivations) {
    if (activation == config.activation) add("hidden_activation", std::string(name));
  }
  if (config.attention_scale > 0) {
    add("attention.query_pre_attn_scalar",
        std::round(1 / (double{config.attention_scale} * config.attention_scale)));
  }
  if (config.sliding_window > 0) {
    add_unsigned("attention.sliding_window", config.sliding_window);
    add_unsigned("attention.sliding_window_pattern", config.sliding_pattern);
    add_float("rope.freq_base_swa", config.local_rope_theta);
  }
  if (config.rope_scaling != RopeScaling::kNone) {
    const bool is_yarn = config.rope_scaling == RopeScaling::kYarn;
    add("rope.scaling.type", std::string(is_yarn ? "yarn" : "linear"));
    add_float("rope.scaling.factor", config.rope_factor);
    if (is_yarn) {
      add_unsigned("rope.scaling.original_context_length", config.rope_original_context);
    }
  }
  if (!config.has_head) {
    constexpr uint64_t kLastToken = 3;
    add_unsigned("pooling_type", kLastToken);
  }
  AppendRotation(config.rotation, metadata);
}

}  // namespace tern
