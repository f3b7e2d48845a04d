// SPDX-License-Identifier: MIT
#include "model/hf_config.h"

#include <cmath>
#include <limits>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace tern {
namespace {

using Json = nlohmann::json;

// Values of an object by key.
class Keys {
 public:
  Keys(const Json& json, std::string name) : json_(json), name_(std::move(name)) {}

  bool Has(const char* key) const { return json_.contains(key) && !json_[key].is_null(); }
  const Json& operator[](const char* key) const { return json_[key]; }
  const std::string& name() const { return name_; }

  absl::StatusOr<uint32_t> Unsigned(const char* key) const {
    if (Has(key) && json_[key].is_number_unsigned()) {
      const uint64_t value = json_[key].get<uint64_t>();
      if (value <= std::numeric_limits<uint32_t>::max()) return static_cast<uint32_t>(value);
    }
    return Wrong(key, "a whole number below 2^32");
  }
  absl::StatusOr<uint32_t> UnsignedOr(const char* key, uint32_t value) const {
    if (!Has(key)) return value;
    return Unsigned(key);
  }
  absl::StatusOr<float> Float(const char* key) const {
    if (Has(key) && json_[key].is_number()) return static_cast<float>(json_[key].get<double>());
    return Wrong(key, "a number");
  }
  absl::StatusOr<float> FloatOr(const char* key, float value) const {
    if (!Has(key)) return value;
    return Float(key);
  }
  absl::StatusOr<std::string> StringOr(const char* key, const std::string& value) const {
    if (!Has(key)) return value;
    if (json_[key].is_string()) return json_[key].get<std::string>();
    return Wrong(key, "a string");
  }
  absl::StatusOr<bool> BoolOr(const char* key, bool value) const {
    if (!Has(key)) return value;
    if (json_[key].is_boolean()) return json_[key].get<bool>();
    return Wrong(key, "true or false");
  }
  // An empty object if there is none.
  absl::StatusOr<Keys> Object(const char* key) const {
    static const Json kEmpty = Json::object();
    const std::string name = absl::StrCat(name_, ": ", key);
    if (!Has(key)) return Keys(kEmpty, name);
    if (json_[key].is_object()) return Keys(json_[key], name);
    return Wrong(key, "an object");
  }

  absl::Status Refuse(const char* key, const std::string& found, const std::string& runs) const {
    return absl::FailedPreconditionError(absl::StrCat(
        name_, ": ", key, ": found ", absl::Utf8SafeCEscape(found), ", this build runs ", runs));
  }
  absl::Status Wrong(const char* key, const char* want) const {
    constexpr size_t kMost = 60;
    const std::string found = Has(key) ? json_[key].dump(-1, ' ', true).substr(0, kMost) : "none";
    return absl::DataLossError(
        absl::StrCat(name_, ": ", key, ": found ", absl::Utf8SafeCEscape(found), ", want ", want));
  }

 private:
  const Json& json_;
  const std::string name_;
};

// What the architectures differ in.
struct Family {
  const char* architecture;  // as GGUF names it
  Activation activation;
  bool sub_norms;
  bool qk_norms;
  bool post_norms;
};
constexpr Family kBitNet2B = {"bitnet-b1.58", Activation::kSquaredRelu, true, false, false};
constexpr Family kBitNet = {"bitnet", Activation::kSilu, true, false, false};
constexpr Family kLlama = {"llama", Activation::kSilu, false, false, false};
constexpr Family kQwen3 = {"qwen3", Activation::kSilu, false, true, false};
constexpr Family kGemma3 = {"gemma3", Activation::kGelu, false, true, true};

std::string FirstArchitecture(const Keys& keys) {
  if (!keys.Has("architectures") || !keys["architectures"].is_array()) return "";
  const Json& list = keys["architectures"];
  return !list.empty() && list[0].is_string() ? list[0].get<std::string>() : "";
}

absl::StatusOr<const Family*> FindFamily(const Keys& keys) {
  TERN_ASSIGN_OR_RETURN(const std::string type, keys.StringOr("model_type", ""));
  const std::string architecture = FirstArchitecture(keys);
  if (type == "bitnet" || architecture == "BitNetForCausalLM" ||
      architecture == "BitnetForCausalLM") {
    TERN_ASSIGN_OR_RETURN(const std::string activation, keys.StringOr("hidden_act", "relu2"));
    if (activation == "relu2") return &kBitNet2B;
    if (activation == "silu") return &kBitNet;
    return keys.Refuse("hidden_act", activation, "relu2, silu");
  }
  if (type == "llama") return &kLlama;
  if (type == "qwen3") return &kQwen3;
  if (type == "gemma3_text") return &kGemma3;
  return keys.Refuse("model_type", absl::StrCat(type, " (", architecture, ")"),
                     "bitnet, llama, qwen3, gemma3_text");
}

absl::Status ReadSizes(const Keys& keys, ModelConfig& config) {
  TERN_ASSIGN_OR_RETURN(config.vocab, keys.Unsigned("vocab_size"));
  TERN_ASSIGN_OR_RETURN(config.dim, keys.Unsigned("hidden_size"));
  TERN_ASSIGN_OR_RETURN(config.ffn_dim, keys.Unsigned("intermediate_size"));
  TERN_ASSIGN_OR_RETURN(config.layers, keys.Unsigned("num_hidden_layers"));
  TERN_ASSIGN_OR_RETURN(config.heads, keys.Unsigned("num_attention_heads"));
  TERN_ASSIGN_OR_RETURN(config.kv_heads, keys.UnsignedOr("num_key_value_heads", config.heads));
  const uint32_t head_dim = config.heads == 0 ? 0 : config.dim / config.heads;
  TERN_ASSIGN_OR_RETURN(config.head_dim, keys.UnsignedOr("head_dim", head_dim));
  TERN_ASSIGN_OR_RETURN(config.context, keys.Unsigned("max_position_embeddings"));
  TERN_ASSIGN_OR_RETURN(config.norm_eps, keys.Float("rms_norm_eps"));
  for (const char* key : {"attention_bias", "mlp_bias"}) {
    TERN_ASSIGN_OR_RETURN(const bool has_bias, keys.BoolOr(key, false));
    if (has_bias) return keys.Refuse(key, "true", "false");
  }
  return absl::OkStatus();
}

absl::Status ReadScaling(const Keys& rope, ModelConfig& config) {
  TERN_ASSIGN_OR_RETURN(const std::string old_type, rope.StringOr("type", "default"));
  TERN_ASSIGN_OR_RETURN(const std::string type, rope.StringOr("rope_type", old_type));
  if (type == "default" || type == "none") return absl::OkStatus();
  if (type != "linear" && type != "yarn") {
    return rope.Refuse("rope_type", type, "default, linear, yarn");
  }
  config.rope_scaling = type == "yarn" ? RopeScaling::kYarn : RopeScaling::kLinear;
  TERN_ASSIGN_OR_RETURN(config.rope_factor, rope.Float("factor"));
  if (type == "linear") return absl::OkStatus();
  TERN_ASSIGN_OR_RETURN(config.rope_original_context,
                        rope.UnsignedOr("original_max_position_embeddings", config.context));
  const std::pair<const char*, float> fixed[] = {
      {"beta_fast", 32.0f}, {"beta_slow", 1.0f}, {"mscale", 1.0f}, {"mscale_all_dim", 0.0f}};
  for (const auto& [key, want] : fixed) {
    TERN_ASSIGN_OR_RETURN(const float found, rope.FloatOr(key, want));
    if (found != want) return rope.Refuse(key, absl::StrCat(found), absl::StrCat(want));
  }
  if (rope.Has("attention_factor")) return rope.Refuse("attention_factor", "one", "the usual one");
  return absl::OkStatus();
}

// Older files have rope_theta and rope_scaling, newer ones rope_parameters with both, for Gemma
// once for each kind of layer.
absl::Status ReadRope(const Keys& keys, ModelConfig& config) {
  constexpr float kUsualTheta = 10000;
  TERN_ASSIGN_OR_RETURN(const Keys parameters, keys.Object("rope_parameters"));
  TERN_ASSIGN_OR_RETURN(const Keys scaling, keys.Object("rope_scaling"));
  TERN_ASSIGN_OR_RETURN(const float old_theta, keys.FloatOr("rope_theta", kUsualTheta));
  TERN_ASSIGN_OR_RETURN(config.local_rope_theta, keys.FloatOr("rope_local_base_freq", kUsualTheta));
  TERN_RETURN_IF_ERROR(ReadScaling(scaling, config));
  if (parameters.Has("full_attention") || parameters.Has("sliding_attention")) {
    TERN_ASSIGN_OR_RETURN(const Keys full, parameters.Object("full_attention"));
    TERN_ASSIGN_OR_RETURN(const Keys local, parameters.Object("sliding_attention"));
    TERN_ASSIGN_OR_RETURN(config.rope_theta, full.FloatOr("rope_theta", old_theta));
    TERN_ASSIGN_OR_RETURN(config.local_rope_theta,
                          local.FloatOr("rope_theta", config.local_rope_theta));
    return ReadScaling(full, config);
  }
  TERN_ASSIGN_OR_RETURN(config.rope_theta, parameters.FloatOr("rope_theta", old_theta));
  return ReadScaling(parameters, config);
}

// Every so many layers one attends to everything: the place of the first, if the rest follow it.
absl::StatusOr<uint32_t> PatternOf(const Keys& keys, uint32_t layers) {
  const Json& types = keys["layer_types"];
  if (!types.is_array() || types.size() != layers) {
    return keys.Wrong("layer_types", "one for each layer");
  }
  uint32_t pattern = layers + 1;
  for (uint32_t layer = 0; layer < layers; ++layer) {
    const bool is_full = types[layer] == "full_attention";
    if (is_full && pattern > layers) pattern = layer + 1;
    const bool want_full = (layer + 1) % pattern == 0;
    if (is_full != want_full || (!is_full && types[layer] != "sliding_attention")) {
      return keys.Refuse("layer_types", types[layer].dump(),
                         "full_attention every so many layers, sliding_attention between");
    }
  }
  return pattern;
}

absl::Status ReadWindow(const Keys& keys, ModelConfig& config) {
  constexpr uint32_t kGemmaPattern = 6;
  TERN_ASSIGN_OR_RETURN(config.sliding_window, keys.UnsignedOr("sliding_window", 0));
  if (config.sliding_window == 0) {
    config.local_rope_theta = 0;
    return absl::OkStatus();
  }
  if (keys.Has("layer_types")) {
    TERN_ASSIGN_OR_RETURN(config.sliding_pattern, PatternOf(keys, config.layers));
    return absl::OkStatus();
  }
  TERN_ASSIGN_OR_RETURN(config.sliding_pattern,
                        keys.UnsignedOr("sliding_window_pattern", kGemmaPattern));
  return absl::OkStatus();
}

absl::Status ReadGemma(const Keys& keys, HfConfig& config) {
  ModelConfig& model = config.model;
  config.norms_are_offsets = true;
  model.embedding_scale = std::sqrt(static_cast<float>(model.dim));
  TERN_ASSIGN_OR_RETURN(const float scalar, keys.FloatOr("query_pre_attn_scalar", 0));
  if (scalar > 0 && scalar != static_cast<float>(model.head_dim)) {
    model.attention_scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(scalar)));
  }
  for (const char* key : {"attn_logit_softcapping", "final_logit_softcapping"}) {
    if (keys.Has(key)) return keys.Refuse(key, "one", "none");
  }
  return ReadWindow(keys, model);
}

absl::Status ReadQuantization(const Keys& keys, HfConfig& config) {
  TERN_ASSIGN_OR_RETURN(const Keys quantization, keys.Object("quantization_config"));
  TERN_ASSIGN_OR_RETURN(const std::string method, quantization.StringOr("quant_method", ""));
  if (!method.empty() && method != "bitnet") {
    return quantization.Refuse("quant_method", method, "bitnet");
  }
  TERN_ASSIGN_OR_RETURN(const std::string linear, quantization.StringOr("linear_class", ""));
  TERN_ASSIGN_OR_RETURN(const std::string mode, quantization.StringOr("quantization_mode", ""));
  TERN_ASSIGN_OR_RETURN(const bool has_norms, quantization.BoolOr("use_rms_norm", false));
  if (has_norms) return quantization.Refuse("use_rms_norm", "true", "false");
  config.is_bitnet = method == "bitnet" || config.model.sub_norms;
  config.multiplies_scale = linear == "autobitlinear";
  config.trained_ternary = config.is_bitnet && (config.model.sub_norms || mode == "online");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<HfConfig> ReadHfConfig(const nlohmann::json& json, const std::string& name) {
  const Keys keys(json, name);
  TERN_ASSIGN_OR_RETURN(const Family* family, FindFamily(keys));
  HfConfig config;
  ModelConfig& model = config.model;
  model.architecture = family->architecture;
  model.activation = family->activation;
  model.sub_norms = family->sub_norms;
  model.qk_norms = family->qk_norms;
  model.post_norms = family->post_norms;
  TERN_RETURN_IF_ERROR(ReadSizes(keys, model));
  TERN_RETURN_IF_ERROR(ReadRope(keys, model));
  if (family == &kGemma3) {
    TERN_RETURN_IF_ERROR(ReadGemma(keys, config));
  } else {
    model.local_rope_theta = 0;
  }
  // What transformers takes a file without the key for.
  const bool usually_tied = family != &kLlama && family != &kQwen3;
  TERN_ASSIGN_OR_RETURN(model.tied_head, keys.BoolOr("tie_word_embeddings", usually_tied));
  TERN_RETURN_IF_ERROR(ReadQuantization(keys, config));
  return config;
}

}  // namespace tern
