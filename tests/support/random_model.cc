// SPDX-License-Identifier: MIT
#include "tests/support/random_model.h"

#include <cmath>
#include <cstring>
#include <random>

#include "absl/strings/str_cat.h"
#include "kernels/i2s.h"
#include "kernels/registry.h"
#include "model/weights.h"

namespace tern {
namespace {

// Uniform in [low, high). Not std::uniform_real_distribution, which is free to differ.
float Uniform(std::mt19937_64& rng, double low, double high) {
  return static_cast<float>(low + (high - low) * static_cast<double>(rng() >> 11) * 0x1p-53);
}

std::vector<float> UniformVector(std::mt19937_64& rng, size_t n, double low, double high) {
  std::vector<float> values(n);
  for (float& value : values) value = Uniform(rng, low, high);
  return values;
}

std::vector<uint8_t> NormBytes(const TensorInfo& info, std::mt19937_64& rng) {
  const std::vector<float> values = UniformVector(rng, info.cols(), 0.5, 1.5);
  std::vector<uint8_t> bytes(info.bytes);
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

std::vector<uint8_t> EmbeddingBytes(const TensorInfo& info, std::mt19937_64& rng) {
  const std::vector<float> values = UniformVector(rng, info.cols() * info.rows(), -1, 1);
  std::vector<uint16_t> halves(values.size());
  ChooseKernels("portable")->ops.to_f16(values.data(), halves.data(), values.size());
  std::vector<uint8_t> bytes(info.bytes);
  std::memcpy(bytes.data(), halves.data(), bytes.size());
  return bytes;
}

// Trits with a scale that keeps outputs about as large as inputs.
std::vector<uint8_t> MatrixBytes(const TensorInfo& info, std::mt19937_64& rng) {
  std::vector<int8_t> trits(info.cols() * info.rows());
  for (int8_t& trit : trits) trit = static_cast<int8_t>(rng() % 3) - 1;
  std::vector<uint8_t> bytes(info.bytes);
  PackI2S(trits, {bytes.data(), trits.size() / 4});
  const float scale = Uniform(rng, 1, 1.5) / std::sqrt(static_cast<float>(info.cols()));
  std::memcpy(bytes.data() + trits.size() / 4, &scale, sizeof(scale));
  return bytes;
}

TensorInfo InfoOf(const TensorSpec& spec) {
  const TensorType type = spec.role == TensorRole::kNorm     ? TensorType::kF32
                          : spec.role == TensorRole::kMatrix ? TensorType::kI2S
                                                             : TensorType::kF16;
  return {spec.name, type, spec.shape, TensorBytes(type, spec.shape).value()};
}

std::vector<uint8_t> RandomBytes(const TensorInfo& info, std::mt19937_64& rng) {
  if (info.type == TensorType::kF32) return NormBytes(info, rng);
  if (info.type == TensorType::kF16) return EmbeddingBytes(info, rng);
  return MatrixBytes(info, rng);
}

}  // namespace

ModelConfig SmallConfig() {
  ModelConfig config;
  config.architecture = "bitnet-b1.58";
  config.name = "small";
  config.vocab = 99;
  config.dim = 256;
  config.ffn_dim = 384;
  config.layers = 5;
  config.heads = 8;
  config.kv_heads = 2;
  config.head_dim = 32;
  config.context = 128;
  config.rope_theta = 10000;
  config.norm_eps = 1e-5f;
  config.sub_norms = true;
  return config;
}

RandomModel::RandomModel(const ModelConfig& config, uint64_t seed) {
  std::mt19937_64 rng(seed);
  for (const TensorSpec& spec : StageTensorSpecs(config, {0, config.layers})) {
    const TensorInfo info = InfoOf(spec);
    tensors_[info.name] = {info, RandomBytes(info, rng)};
  }
}

absl::StatusOr<TensorView> RandomModel::Find(absl::string_view name) const {
  const auto found = tensors_.find(std::string(name));
  if (found == tensors_.end()) return absl::NotFoundError(absl::StrCat("tensor ", name, ": none"));
  return TensorView{found->second.info, found->second.data};
}

}  // namespace tern
