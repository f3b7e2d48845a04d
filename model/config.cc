// SPDX-License-Identifier: MIT
#include "model/config.h"

#include <bit>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "formats/ternary.h"
#include "kernels/t2r16.h"

namespace tern {
namespace {

constexpr char kHeadName[] = "output.weight";

// Far above any model of today, low enough that no product of them overflows 64 bits. The widths
// stay below what an int32 sum of a kernel can hold (kernels/gemv.h).
constexpr uint32_t kMaxWidth = 500'000;
constexpr uint32_t kMaxHeads = 1 << 14;
constexpr uint32_t kMaxGroupCols = 256;  // sums stay exact: kernels/group_gemm.h
constexpr uint32_t kMaxVocab = 1 << 24;
constexpr uint32_t kMaxLayers = 1 << 12;
constexpr uint32_t kMaxContext = 1 << 20;
// Rotary tables hold context * head_dim floats, which every stage allocates: at most 1 GiB.
constexpr uint64_t kMaxRopeElements = uint64_t{1} << 28;

absl::Status CheckRange(const char* field, uint32_t value, uint32_t most) {
  if (value >= 1 && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": found ", value, ", want between 1 and ", most));
}

absl::Status CheckMultiple(const char* field, uint32_t value, uint32_t of) {
  if (value % of == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": found ", value, ", want a multiple of ", of));
}

absl::Status CheckPositive(const char* field, float value) {
  if (std::isfinite(value) && value > 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": found ", value, ", want a positive number"));
}

absl::Status FirstError(std::initializer_list<absl::Status> checks) {
  for (const absl::Status& check : checks) {
    if (!check.ok()) return check;
  }
  return absl::OkStatus();
}

absl::Status CheckHeads(const ModelConfig& config) {
  if (config.heads % config.kv_heads != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "heads: found ", config.heads, ", want a multiple of kv_heads, ", config.kv_heads));
  }
  return CheckRange("heads * head_dim", config.q_dim(), kMaxWidth);
}

absl::Status CheckRopeTables(const ModelConfig& config) {
  if (uint64_t{config.context} * config.head_dim <= kMaxRopeElements) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("context: found ", config.context, ", want at most ",
                   kMaxRopeElements / config.head_dim, " with a head_dim of ", config.head_dim));
}

absl::Status CheckRopeScaling(const ModelConfig& config) {
  if (config.rope_scaling == RopeScaling::kNone) return absl::OkStatus();
  if (!(std::isfinite(config.rope_factor) && config.rope_factor >= 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("rope_factor: found ", config.rope_factor, ", want at least 1"));
  }
  if (config.rope_scaling == RopeScaling::kLinear) return absl::OkStatus();
  return CheckRange("rope_original_context", config.rope_original_context, kMaxContext);
}

absl::Status CheckWindow(const ModelConfig& config) {
  if (config.sliding_window == 0) return absl::OkStatus();
  return FirstError({CheckRange("sliding_window", config.sliding_window, kMaxContext),
                     CheckRange("sliding_pattern", config.sliding_pattern, kMaxLayers),
                     CheckPositive("local_rope_theta", config.local_rope_theta)});
}

absl::Status CheckGroups(const ModelConfig& config) {
  if (config.activation_bits == ActivationBits::k8) {
    if (config.group_cols == 0) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("group_cols: found ", config.group_cols, ", want 0 with 8-bit activations"));
  }
  const absl::Status range = CheckRange("group_cols", config.group_cols, kMaxGroupCols);
  if (!range.ok()) return range;
  return FirstError({CheckMultiple("group_cols", config.group_cols, kT2R16Cols),
                     CheckMultiple("dim", config.dim, config.group_cols),
                     CheckMultiple("ffn_dim", config.ffn_dim, config.group_cols),
                     CheckMultiple("heads * head_dim", config.q_dim(), config.group_cols)});
}

absl::Status CheckRotation(const ModelConfig& config) {
  const Rotation& rotation = config.rotation;
  if (rotation.block_cols == 0) return absl::OkStatus();
  if (!std::has_single_bit(rotation.block_cols)) {
    return absl::InvalidArgumentError(
        absl::StrCat("rotation block: found ", rotation.block_cols, ", want a power of two"));
  }
  for (const auto& [width, signs] : rotation.signs) {
    if (signs.size() != width) {
      return absl::InvalidArgumentError(
          absl::StrCat("rotation signs: found ", signs.size(), " for columns of ", width));
    }
  }
  if ((rotation.embedding && !IsTernary(config.embedding_type)) ||
      (rotation.Applies(kHeadName) && !IsTernary(config.head_type))) {
    return absl::InvalidArgumentError(
        "rotation: found an embedding or a head that is rotated and not ternary");
  }
  return FirstError({CheckMultiple("dim", config.dim, rotation.block_cols),
                     CheckMultiple("ffn_dim", config.ffn_dim, rotation.block_cols),
                     CheckMultiple("heads * head_dim", config.q_dim(), rotation.block_cols)});
}

// Types that the embedding and the head may have.
absl::Status CheckTableType(const char* field, TensorType type, uint32_t dim) {
  const uint64_t row[] = {dim};
  if (!IsKnown(type)) {
    return absl::InvalidArgumentError(absl::StrCat(field, ": found ", TensorTypeName(type)));
  }
  if (type == TensorType::kI2S) return CheckMultiple("dim", dim, kT2R16Cols);
  const absl::StatusOr<uint64_t> bytes = TensorBytes(type, row);
  if (bytes.ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", bytes.status().message()));
}

std::string Shape(const std::vector<uint64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

absl::Status Mismatch(const TensorSpec& want, const TensorInfo& found,
                      absl::string_view want_types) {
  return absl::DataLossError(absl::StrCat("tensor ", want.name, ": found ",
                                          TensorTypeName(found.type), " ", Shape(found.shape),
                                          ", want ", want_types, " ", Shape(want.shape)));
}

}  // namespace

absl::Status Validate(const ModelConfig& config) {
  const absl::Status ranges = FirstError({
      CheckRange("vocab", config.vocab, kMaxVocab),
      CheckRange("dim", config.dim, kMaxWidth),
      CheckRange("ffn_dim", config.ffn_dim, kMaxWidth),
      CheckRange("layers", config.layers, kMaxLayers),
      CheckRange("heads", config.heads, kMaxHeads),
      CheckRange("kv_heads", config.kv_heads, config.heads),
      CheckRange("head_dim", config.head_dim, kMaxHeadDim),
      CheckRange("context", config.context, kMaxContext),
      CheckPositive("rope_theta", config.rope_theta),
      CheckPositive("norm_eps", config.norm_eps),
      CheckPositive("embedding_scale", config.embedding_scale),
  });
  if (!ranges.ok()) return ranges;
  if (!(std::isfinite(config.attention_scale) && config.attention_scale >= 0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("attention_scale: found ", config.attention_scale, ", want 0 or more"));
  }
  return FirstError({
      CheckMultiple("dim", config.dim, kT2R16Cols),
      CheckMultiple("ffn_dim", config.ffn_dim, kT2R16Cols),
      CheckMultiple("head_dim", config.head_dim, 2),
      CheckHeads(config),
      CheckMultiple("heads * head_dim", config.q_dim(), kT2R16Cols),
      CheckMultiple("kv_dim", config.kv_dim(), kT2R16Rows),
      CheckRopeTables(config),
      CheckRopeScaling(config),
      CheckWindow(config),
      CheckGroups(config),
      CheckRotation(config),
      CheckTableType("embedding_type", config.embedding_type, config.dim),
      CheckTableType("head_type", config.head_type, config.dim),
  });
}

absl::Status LimitContext(uint32_t most, ModelConfig& config) {
  if (most > config.context) {
    return absl::InvalidArgumentError(
        absl::StrCat("context: found ", most, ", want at most ", config.context, ", the model's"));
  }
  if (most > 0) config.context = most;
  return absl::OkStatus();
}

std::vector<TensorSpec> LayerTensors(const ModelConfig& config, uint32_t layer) {
  const std::string prefix = absl::StrCat("blk.", layer, ".");
  std::vector<TensorSpec> tensors;
  const auto norm = [&](const std::string& name, uint64_t width) {
    tensors.push_back({absl::StrCat(prefix, name, ".weight"), TensorRole::kNorm, {width}});
  };
  const auto matrix = [&](const std::string& name, uint64_t cols, uint64_t rows) {
    tensors.push_back({absl::StrCat(prefix, name, ".weight"), TensorRole::kMatrix, {cols, rows}});
    if (config.projection_norms) norm(name + "_norm_in", cols);
  };
  norm("attn_norm", config.dim);
  matrix("attn_q", config.dim, config.q_dim());
  matrix("attn_k", config.dim, config.kv_dim());
  matrix("attn_v", config.dim, config.kv_dim());
  if (config.qk_norms) {
    norm("attn_q_norm", config.head_dim);
    norm("attn_k_norm", config.head_dim);
  }
  if (config.sub_norms) norm("attn_sub_norm", config.q_dim());
  matrix("attn_output", config.q_dim(), config.dim);
  if (config.post_norms) norm("post_attention_norm", config.dim);
  norm("ffn_norm", config.dim);
  matrix("ffn_gate", config.dim, config.ffn_dim);
  matrix("ffn_up", config.dim, config.ffn_dim);
  if (config.sub_norms) norm("ffn_sub_norm", config.ffn_dim);
  matrix("ffn_down", config.ffn_dim, config.dim);
  if (config.post_norms) norm("post_ffw_norm", config.dim);
  return tensors;
}

TensorSpec EmbeddingTensor(const ModelConfig& config) {
  return {"token_embd.weight", TensorRole::kEmbedding, {config.dim, config.vocab}};
}

TensorSpec HeadTensor(const ModelConfig& config) {
  if (config.tied_head) return EmbeddingTensor(config);
  return {kHeadName, TensorRole::kHead, {config.dim, config.vocab}};
}

TensorSpec OutputNormTensor(const ModelConfig& config) {
  return {"output_norm.weight", TensorRole::kNorm, {config.dim}};
}

absl::Status CheckTensor(const ModelConfig& config, const TensorSpec& want,
                         const TensorInfo& found) {
  const auto expect = [&](bool type_fits, absl::string_view types) {
    if (type_fits && found.shape == want.shape) return absl::OkStatus();
    return Mismatch(want, found, types);
  };
  switch (want.role) {
    case TensorRole::kNorm:
      return expect(found.type == TensorType::kF32 || found.type == TensorType::kF16 ||
                        found.type == TensorType::kBF16,
                    "F32, F16 or BF16");
    case TensorRole::kMatrix: {
      const bool groups_fit =
          IsTernary(found.type) && found.cols() > 0 &&
          (config.group_cols == 0 || ScaleCols(found.type, found.cols()) % config.group_cols == 0);
      return expect(groups_fit, config.group_cols == 0
                                    ? std::string("a ternary type")
                                    : absl::StrCat("a ternary type with one scale for each ",
                                                   config.group_cols, " columns"));
    }
    case TensorRole::kEmbedding:
      return expect(found.type == config.embedding_type, TensorTypeName(config.embedding_type));
    case TensorRole::kHead:
      return expect(found.type == config.head_type, TensorTypeName(config.head_type));
  }
  return absl::InternalError("no such role");
}

}  // namespace tern
