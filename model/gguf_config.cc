// SPDX-License-Identifier: MIT
#include "model/gguf_config.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "kernels/packing.h"

namespace tern {
namespace {

constexpr char kArchitecture[] = "bitnet-b1.58";  // the only one for now

// The keys of one architecture.
class Keys {
 public:
  Keys(const GgufFile& file, std::string architecture)
      : file_(file), architecture_(std::move(architecture)) {}

  std::string Name(absl::string_view key) const { return absl::StrCat(architecture_, ".", key); }

  // What Unsigned and Float report as NOT_FOUND is damage in a file that claims to be a model.
  absl::StatusOr<uint32_t> Unsigned(absl::string_view key) const {
    const absl::StatusOr<uint64_t> value = file_.Unsigned(Name(key));
    if (absl::IsNotFound(value.status())) return absl::DataLossError(value.status().message());
    if (!value.ok()) return value.status();
    if (*value > UINT32_MAX) {
      return absl::DataLossError(absl::StrCat(file_.name(), ": ", Name(key), ": found ", *value,
                                              ", want at most ", UINT32_MAX));
    }
    return static_cast<uint32_t>(*value);
  }

  absl::StatusOr<uint32_t> UnsignedOr(absl::string_view key, uint32_t value) const {
    if (!file_.Has(Name(key))) return value;
    return Unsigned(key);
  }

  absl::StatusOr<float> Float(absl::string_view key) const {
    const absl::StatusOr<double> value = file_.Float(Name(key));
    if (absl::IsNotFound(value.status())) return absl::DataLossError(value.status().message());
    if (!value.ok()) return value.status();
    return static_cast<float>(*value);
  }

 private:
  const GgufFile& file_;
  const std::string architecture_;
};

absl::Status CheckArchitecture(const GgufFile& file) {
  const absl::StatusOr<std::string> found = file.String("general.architecture");
  if (absl::IsNotFound(found.status())) return absl::DataLossError(found.status().message());
  if (!found.ok()) return found.status();
  if (*found == kArchitecture) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(file.name(), ": architecture: found ", *found,
                                                    ", this build runs ", kArchitecture));
}

// Refuses what the forward pass would silently ignore.
absl::Status CheckFeatures(const GgufFile& file, const Keys& keys, const ModelConfig& config) {
  for (const char* key :
       {"rope.dimension_count", "attention.key_length", "attention.value_length"}) {
    TERN_ASSIGN_OR_RETURN(const uint32_t found, keys.UnsignedOr(key, config.head_dim));
    if (found != config.head_dim) {
      return absl::FailedPreconditionError(absl::StrCat(file.name(), ": ", keys.Name(key),
                                                        ": found ", found, ", this build runs ",
                                                        config.head_dim, ", the whole head"));
    }
  }
  const std::pair<const char*, const char*> fixed[] = {{"hidden_activation", "relu2"},
                                                       {"rope.scaling.type", "none"}};
  for (const auto& [key, want] : fixed) {
    if (!file.Has(keys.Name(key))) continue;
    TERN_ASSIGN_OR_RETURN(const std::string found, file.String(keys.Name(key)));
    if (found != want) {
      return absl::FailedPreconditionError(absl::StrCat(
          file.name(), ": ", keys.Name(key), ": found ", found, ", this build runs ", want));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<uint32_t> ReadVocab(const GgufFile& file, const Keys& keys) {
  uint64_t tokens = 0;
  if (file.Has("tokenizer.ggml.tokens")) {
    TERN_ASSIGN_OR_RETURN(const auto* names, file.Strings("tokenizer.ggml.tokens"));
    tokens = names->size();
  }
  if (!file.Has(keys.Name("vocab_size")) && tokens > 0) return static_cast<uint32_t>(tokens);
  TERN_ASSIGN_OR_RETURN(const uint32_t vocab, keys.Unsigned("vocab_size"));
  if (tokens > vocab) {
    return absl::DataLossError(absl::StrCat(file.name(), ": tokenizer.ggml.tokens: found ", tokens,
                                            " tokens, want at most vocab_size, ", vocab));
  }
  return vocab;
}

absl::Status CheckTensor(const GgufFile& file, const TensorInfo& want) {
  const absl::StatusOr<TensorView> view = file.Find(want.name);
  if (!view.ok()) return absl::DataLossError(view.status().message());
  const TensorInfo& found = view->info;
  if (found.type != want.type || found.shape != want.shape) {
    return absl::DataLossError(
        absl::StrCat(file.name(), ": tensor ", want.name, ": found ", TensorTypeName(found.type),
                     " [", absl::StrJoin(found.shape, ", "), "], want ", TensorTypeName(want.type),
                     " [", absl::StrJoin(want.shape, ", "), "]"));
  }
  if (found.type == TensorType::kI2S) {
    float scale = 0;
    std::memcpy(&scale, view->data.data() + view->data.size() - kI2STailBytes, sizeof(scale));
    if (!std::isfinite(scale)) {
      return absl::DataLossError(absl::StrCat(file.name(), ": tensor ", want.name, ": found scale ",
                                              scale, ", want a finite number"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckTensors(const GgufFile& file, const ModelConfig& config) {
  TERN_RETURN_IF_ERROR(CheckTensor(file, EmbeddingTensor(config)));
  TERN_RETURN_IF_ERROR(CheckTensor(file, OutputNormTensor(config)));
  for (uint32_t layer = 0; layer < config.layers; ++layer) {
    for (const TensorInfo& want : LayerTensors(config, layer)) {
      TERN_RETURN_IF_ERROR(CheckTensor(file, want));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ModelConfig> ReadModelConfig(const GgufFile& file) {
  TERN_RETURN_IF_ERROR(CheckArchitecture(file));
  const Keys keys(file, kArchitecture);
  ModelConfig config;
  config.architecture = kArchitecture;
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
  config.head_dim = config.heads == 0 ? 0 : config.dim / config.heads;
  TERN_ASSIGN_OR_RETURN(config.norm_eps, keys.Float("attention.layer_norm_rms_epsilon"));
  TERN_ASSIGN_OR_RETURN(config.rope_theta, keys.Float("rope.freq_base"));

  const absl::Status valid = Validate(config);
  if (!valid.ok()) {
    return absl::DataLossError(absl::StrCat(file.name(), ": ", valid.message()));
  }
  TERN_RETURN_IF_ERROR(CheckFeatures(file, keys, config));
  TERN_RETURN_IF_ERROR(CheckTensors(file, config));
  return config;
}

}  // namespace tern
