// SPDX-License-Identifier: MIT
#include "model/config.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "kernels/packing.h"

namespace tern {
namespace {

// Far above any model of today, low enough that no product of them overflows 64 bits. The widths
// stay below what an int32 sum of a kernel can hold (kernels/gemv.h).
constexpr uint32_t kMaxWidth = 500'000;
constexpr uint32_t kMaxVocab = 1 << 24;
constexpr uint32_t kMaxLayers = 1 << 12;
constexpr uint32_t kMaxHeadDim = 1 << 10;
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
  if (uint64_t{config.heads} * config.head_dim != config.dim) {
    return absl::InvalidArgumentError(absl::StrCat("dim: found ", config.dim,
                                                   ", want heads * head_dim, ", config.heads, " * ",
                                                   config.head_dim));
  }
  if (config.heads % config.kv_heads != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "heads: found ", config.heads, ", want a multiple of kv_heads, ", config.kv_heads));
  }
  return absl::OkStatus();
}

absl::Status CheckRopeTables(const ModelConfig& config) {
  if (uint64_t{config.context} * config.head_dim <= kMaxRopeElements) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("context: found ", config.context, ", want at most ",
                   kMaxRopeElements / config.head_dim, " with a head_dim of ", config.head_dim));
}

TensorInfo Info(std::string name, TensorType type, std::vector<uint64_t> shape) {
  const absl::StatusOr<uint64_t> bytes = TensorBytes(type, shape);
  TERN_CHECK(bytes.ok());  // Validate has seen the shape
  return {std::move(name), type, std::move(shape), *bytes};
}

}  // namespace

absl::Status Validate(const ModelConfig& config) {
  const absl::Status ranges = FirstError({
      CheckRange("vocab", config.vocab, kMaxVocab),
      CheckRange("dim", config.dim, kMaxWidth),
      CheckRange("ffn_dim", config.ffn_dim, kMaxWidth),
      CheckRange("layers", config.layers, kMaxLayers),
      CheckRange("heads", config.heads, kMaxWidth),
      CheckRange("kv_heads", config.kv_heads, config.heads),
      CheckRange("head_dim", config.head_dim, kMaxHeadDim),
      CheckRange("context", config.context, kMaxContext),
      CheckPositive("rope_theta", config.rope_theta),
      CheckPositive("norm_eps", config.norm_eps),
  });
  if (!ranges.ok()) return ranges;
  return FirstError({
      CheckMultiple("dim", config.dim, kI2SBlockCols),
      CheckMultiple("ffn_dim", config.ffn_dim, kI2SBlockCols),
      CheckMultiple("head_dim", config.head_dim, 2),
      CheckHeads(config),
      CheckRopeTables(config),
      CheckMultiple("kv_dim", config.kv_dim(), kT2R16Rows),
  });
}

std::vector<TensorInfo> LayerTensors(const ModelConfig& config, uint32_t layer) {
  const std::string prefix = absl::StrCat("blk.", layer, ".");
  const auto norm = [&](const char* name, uint64_t width) {
    return Info(absl::StrCat(prefix, name, ".weight"), TensorType::kF32, {width});
  };
  const auto matrix = [&](const char* name, uint64_t cols, uint64_t rows) {
    return Info(absl::StrCat(prefix, name, ".weight"), TensorType::kI2S, {cols, rows});
  };
  return {
      norm("attn_norm", config.dim),
      matrix("attn_q", config.dim, config.dim),
      matrix("attn_k", config.dim, config.kv_dim()),
      matrix("attn_v", config.dim, config.kv_dim()),
      norm("attn_sub_norm", config.dim),
      matrix("attn_output", config.dim, config.dim),
      norm("ffn_norm", config.dim),
      matrix("ffn_gate", config.dim, config.ffn_dim),
      matrix("ffn_up", config.dim, config.ffn_dim),
      norm("ffn_sub_norm", config.ffn_dim),
      matrix("ffn_down", config.ffn_dim, config.dim),
  };
}

TensorInfo EmbeddingTensor(const ModelConfig& config) {
  return Info("token_embd.weight", TensorType::kF16, {config.dim, config.vocab});
}

TensorInfo OutputNormTensor(const ModelConfig& config) {
  return Info("output_norm.weight", TensorType::kF32, {config.dim});
}

}  // namespace tern
