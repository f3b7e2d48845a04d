// SPDX-License-Identifier: MIT
#include "model/hf_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/about.h"
#include "base/status_macros.h"
#include "formats/dense.h"
#include "formats/json_text.h"
#include "formats/packed_u8.h"
#include "formats/ternary.h"
#include "model/ternarise.h"
#include "model/weights.h"

namespace tern {
namespace {

// Names within a layer: GGUF's, and those that Hugging Face models have for it.
struct LayerName {
  const char* gguf;
  const char* hf;
  const char* other_hf = nullptr;
};
constexpr LayerName kLayerNames[] = {
    {"attn_norm", "input_layernorm"},
    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"},
    {"attn_q_norm", "self_attn.q_norm"},
    {"attn_k_norm", "self_attn.k_norm"},
    {"attn_sub_norm", "self_attn.attn_sub_norm", "self_attn.inner_attn_ln"},
    {"ffn_norm", "post_attention_layernorm"},
    {"ffn_gate", "mlp.gate_proj"},
    {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},
    {"ffn_sub_norm", "mlp.ffn_sub_norm", "mlp.ffn_layernorm"},
};
// Gemma's norms stand before and after both halves of a layer.
constexpr LayerName kGemmaNames[] = {
    {"post_attention_norm", "post_attention_layernorm"},
    {"ffn_norm", "pre_feedforward_layernorm"},
    {"post_ffw_norm", "post_feedforward_layernorm"},
};

// The names a tensor may have in the files, without the prefix.
std::vector<std::string> HfNames(const std::string& gguf_name, bool is_gemma) {
  if (gguf_name == "token_embd.weight") return {"embed_tokens.weight"};
  if (gguf_name == "output_norm.weight") return {"norm.weight"};
  const std::vector<std::string> parts = absl::StrSplit(gguf_name, '.');
  if (parts.size() != 4 || parts[0] != "blk") return {};
  std::string name = parts[2], suffix = ".weight";
  if (absl::EndsWith(name, "_norm_in")) {
    name = std::string(absl::StripSuffix(name, "_norm_in"));
    suffix = ".norm.weight";
  }
  std::vector<std::string> names;
  const auto add = [&](const char* hf) {
    if (hf != nullptr) names.push_back(absl::StrCat("layers.", parts[1], ".", hf, suffix));
  };
  if (is_gemma) {
    for (const LayerName& entry : kGemmaNames) {
      if (name != entry.gguf) continue;
      add(entry.hf);
      return names;
    }
  }
  for (const LayerName& entry : kLayerNames) {
    if (name != entry.gguf) continue;
    add(entry.hf);
    add(entry.other_hf);
  }
  return names;
}

absl::StatusOr<TensorType> DenseType(const Safetensor& stored) {
  if (stored.dtype == "F32") return TensorType::kF32;
  if (stored.dtype == "F16") return TensorType::kF16;
  if (stored.dtype == "BF16") return TensorType::kBF16;
  return absl::FailedPreconditionError(absl::StrCat("tensor ", stored.name, ": found dtype ",
                                                    stored.dtype, ", this build reads F32, F16, ",
                                                    "BF16 and packed U8"));
}

absl::Status CheckShape(const Safetensor& stored, const std::vector<uint64_t>& want) {
  if (stored.shape == want) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("tensor ", stored.name, ": found shape [",
                                          absl::StrJoin(stored.shape, ", "), "], want [",
                                          absl::StrJoin(want, ", "), "]"));
}

// Outermost first, as safetensors has it.
std::vector<uint64_t> Reversed(std::vector<uint64_t> shape) {
  std::reverse(shape.begin(), shape.end());
  return shape;
}

}  // namespace

absl::StatusOr<std::unique_ptr<HfModel>> HfModel::Open(const std::string& directory) {
  const std::filesystem::path folder(directory);
  const std::string config_path = folder / "config.json";
  TERN_ASSIGN_OR_RETURN(const nlohmann::json json, ReadJsonObject(config_path));
  std::unique_ptr<HfModel> model(new HfModel);
  model->directory_ = directory;
  TERN_ASSIGN_OR_RETURN(model->config_, ReadHfConfig(json, config_path));
  model->config_.model.name = std::filesystem::absolute(folder).lexically_normal().filename();
  if (model->config_.model.name.empty()) {  // the path ended with a slash
    model->config_.model.name =
        std::filesystem::absolute(folder).lexically_normal().parent_path().filename();
  }
  TERN_ASSIGN_OR_RETURN(model->files_, SafetensorsSet::Open(directory));
  TERN_RETURN_IF_ERROR(model->ReadKinds());
  return model;
}

// What the tensors tell: names, and which of them are ternary.
absl::Status HfModel::ReadKinds() {
  ModelConfig& config = config_.model;
  prefix_ = files_->Find("model.embed_tokens.weight") != nullptr ? "model." : "";
  config.projection_norms =
      files_->Find(prefix_ + "layers.0.self_attn.q_proj.norm.weight") != nullptr;
  config.has_head = !config.projection_norms;
  if (config.projection_norms) config_.trained_ternary = config.tied_head = true;
  if (files_->Find("lm_head.weight") == nullptr) config.tied_head = true;

  const absl::Status valid = Validate(config);
  if (!valid.ok()) {
    return absl::DataLossError(absl::StrCat(directory_, "/config.json: ", valid.message()));
  }
  for (TensorSpec& spec : StageTensorSpecs(config, {0, config.layers})) {
    std::string name = spec.name;
    wanted_.emplace(std::move(name), std::move(spec));
  }
  const TensorSpec& first = wanted_.at("blk.0.attn_q.weight");
  TERN_ASSIGN_OR_RETURN(const Safetensor* stored, Stored(first.name));
  if (stored->dtype != "U8" && !config_.trained_ternary) {
    // Dense numbers: fine if they are trits times scales.
    TERN_ASSIGN_OR_RETURN(const TensorView view, Dense(first, *stored));
    TERN_ASSIGN_OR_RETURN(const TernaryFit fit, MeasureFit(view));
    if (!fit.exact()) return About(directory_, ConvertExactly(view, fit).status());
    if (!fit.one_scale) {
      config.activation_bits = ActivationBits::k22;
      config.group_cols = kGroupCols;
      notes_.push_back(absl::StrCat("weights are ternary with one scale for each ", fit.group_cols,
                                    " columns; activations keep 22 bits"));
    }
  } else if (stored->dtype != "U8") {
    notes_.push_back("dense master weights: quantised by absmean as they are read");
  }
  TERN_ASSIGN_OR_RETURN(config.embedding_type, TableType(EmbeddingTensor(config)));
  config.head_type = config.embedding_type;
  if (config.has_head && !config.tied_head) {
    TERN_ASSIGN_OR_RETURN(config.head_type, TableType(HeadTensor(config)));
  }
  const absl::Status still_valid = Validate(config);
  if (!still_valid.ok()) return About(directory_, absl::DataLossError(still_valid.message()));
  for (const auto& [name, spec] : wanted_) {
    if (const absl::Status found = Stored(name).status(); !found.ok()) return found;
  }
  return absl::OkStatus();
}

// As stored, unless the model has groups and the table is made of them, too.
absl::StatusOr<TensorType> HfModel::TableType(const TensorSpec& table) const {
  TERN_ASSIGN_OR_RETURN(const Safetensor* stored, Stored(table.name));
  TERN_ASSIGN_OR_RETURN(const TensorView view, Dense(table, *stored));
  if (config_.model.group_cols == 0) return view.info.type;
  TERN_ASSIGN_OR_RETURN(const TernaryFit fit, MeasureFit(view));
  if (!fit.exact()) return view.info.type;
  TERN_ASSIGN_OR_RETURN(const TensorView ternary, ConvertExactly(view, fit));
  return ternary.info.type;
}

absl::StatusOr<const Safetensor*> HfModel::Stored(const std::string& gguf_name) const {
  if (gguf_name == "output.weight") {
    if (const Safetensor* head = files_->Find("lm_head.weight")) return head;
    return absl::DataLossError(absl::StrCat(directory_, ": no tensor lm_head.weight"));
  }
  const std::vector<std::string> names = HfNames(gguf_name, config_.norms_are_offsets);
  for (const std::string& name : names) {
    if (const Safetensor* stored = files_->Find(prefix_ + name)) return stored;
  }
  return absl::DataLossError(absl::StrCat(directory_, ": no tensor ", prefix_,
                                          absl::StrJoin(names, absl::StrCat(" or ", prefix_)), " (",
                                          gguf_name, ")"));
}

absl::StatusOr<TensorView> HfModel::Dense(const TensorSpec& want, const Safetensor& stored) const {
  TERN_RETURN_IF_ERROR(CheckShape(stored, Reversed(want.shape)));
  TERN_ASSIGN_OR_RETURN(const TensorType type, DenseType(stored));
  return TensorView{{want.name, type, want.shape, stored.data.size()}, stored.data};
}

absl::StatusOr<TensorView> HfModel::Packed(const TensorSpec& want, const Safetensor& stored) const {
  const uint64_t cols = want.shape[0], rows = want.shape[1];
  if (rows % 4 != 0) {
    return absl::DataLossError(
        absl::StrCat("tensor ", stored.name, ": found ", rows, " rows, want a multiple of 4"));
  }
  TERN_RETURN_IF_ERROR(CheckShape(stored, {rows / 4, cols}));
  const std::string scale_name =
      absl::StrCat(absl::StripSuffix(stored.name, ".weight"), ".weight_scale");
  const Safetensor* scale_tensor = files_->Find(scale_name);
  if (scale_tensor == nullptr) {
    return absl::DataLossError(absl::StrCat(directory_, ": no tensor ", scale_name));
  }
  TERN_ASSIGN_OR_RETURN(const TensorType scale_type, DenseType(*scale_tensor));
  if (scale_tensor->data.size() != DenseRowBytes(scale_type, 1)) {
    return absl::DataLossError(absl::StrCat("tensor ", scale_name, ": want one number"));
  }
  float stored_scale = 0;
  DecodeDense(scale_type, scale_tensor->data.data(), 1, &stored_scale);
  const float scale = config_.multiplies_scale ? stored_scale : 1 / stored_scale;
  if (!std::isfinite(scale)) {
    return absl::DataLossError(
        absl::StrCat("tensor ", scale_name, ": found ", stored_scale, ", want a usable scale"));
  }
  std::vector<int8_t> trits(rows * cols);
  if (!UnpackU8(stored.data, rows, cols, trits.data())) {
    return absl::DataLossError(
        absl::StrCat("tensor ", stored.name, ": found code 3, want 0, 1 and 2"));
  }
  TensorInfo info{want.name, TensorType::kI2S, want.shape, 0};
  TERN_ASSIGN_OR_RETURN(info.bytes, TensorBytes(info.type, info.shape));
  auto bytes = std::make_shared<std::vector<uint8_t>>(info.bytes);
  const std::vector<float> scales(rows, scale);
  TERN_RETURN_IF_ERROR(PackTernary(info.type, rows, cols, trits.data(), scales.data(), *bytes));
  return TensorView{std::move(info), *bytes, bytes};
}

absl::StatusOr<TensorView> HfModel::Matrix(const TensorSpec& want, const Safetensor& stored) const {
  if (stored.dtype == "U8") return Packed(want, stored);
  TERN_ASSIGN_OR_RETURN(const TensorView view, Dense(want, stored));
  TERN_ASSIGN_OR_RETURN(const TernaryFit fit, MeasureFit(view));
  if (!fit.one_scale && config_.trained_ternary) return QuantizeAbsMean(view, fit.scale);
  return ConvertExactly(view, fit);
}

absl::StatusOr<TensorView> HfModel::Norm(const TensorSpec& want, const Safetensor& stored) const {
  TERN_ASSIGN_OR_RETURN(const TensorView view, Dense(want, stored));
  const uint64_t width = want.shape[0];
  auto bytes = std::make_shared<std::vector<uint8_t>>(width * sizeof(float));
  auto* weights = reinterpret_cast<float*>(bytes->data());
  DecodeDense(view.info.type, view.data.data(), width, weights);
  const bool is_offset = config_.norms_are_offsets && !absl::EndsWith(want.name, "_norm_in.weight");
  for (uint64_t i = 0; is_offset && i < width; ++i) weights[i] += 1;
  return TensorView{{want.name, TensorType::kF32, want.shape, bytes->size()}, *bytes, bytes};
}

absl::StatusOr<TensorView> HfModel::Find(absl::string_view name) const {
  const auto found = wanted_.find(name);
  if (found == wanted_.end()) {
    return absl::NotFoundError(absl::StrCat(directory_, ": no tensor ", name));
  }
  const TensorSpec& want = found->second;
  TERN_ASSIGN_OR_RETURN(const Safetensor* stored, Stored(want.name));
  switch (want.role) {
    case TensorRole::kNorm:
      return Norm(want, *stored);
    case TensorRole::kMatrix:
      return Matrix(want, *stored);
    case TensorRole::kEmbedding:
    case TensorRole::kHead:
      break;
  }
  TERN_ASSIGN_OR_RETURN(const TensorView view, Dense(want, *stored));
  const TensorType type =
      want.role == TensorRole::kHead ? config_.model.head_type : config_.model.embedding_type;
  if (!IsTernary(type)) return view;
  TERN_ASSIGN_OR_RETURN(const TernaryFit fit, MeasureFit(view));
  return ConvertExactly(view, fit);
}

}  // namespace tern
