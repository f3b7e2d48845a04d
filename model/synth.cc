// SPDX-License-Identifier: MIT
#include "model/synth.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "formats/gguf_writer.h"
#include "kernels/i2s.h"
#include "model/gguf_config.h"
#include "model/synth_vocabulary.h"
#include "model/weights.h"

namespace tern {
namespace {

constexpr size_t kChunkBytes = 1 << 20;

ModelConfig Shape(const char* name, uint32_t dim, uint32_t ffn_dim, uint32_t layers, uint32_t heads,
                  uint32_t kv_heads, uint32_t vocab, uint32_t context) {
  ModelConfig config;
  config.architecture = "bitnet-b1.58";
  config.sub_norms = true;
  config.name = name;
  config.vocab = vocab;
  config.dim = dim;
  config.ffn_dim = ffn_dim;
  config.layers = layers;
  config.heads = heads;
  config.kv_heads = kv_heads;
  config.head_dim = dim / heads;
  config.context = context;
  config.rope_theta = 500000;
  config.norm_eps = 1e-5f;
  return config;
}

// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
class Random {
 public:
  Random(uint64_t seed, uint64_t stream) : state_(seed * 0xd1342543de82ef95 + stream) { Next(); }

  uint64_t Next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

 private:
  uint64_t state_;
};

// I2_S bytes, four trits each: every one of the 81 about equally often among 256.
constexpr std::array<uint8_t, 256> MakeTritBytes() {
  std::array<uint8_t, 256> bytes{};
  for (int i = 0; i < 256; ++i) {
    const int v = i * 81 / 256;
    bytes[i] = static_cast<uint8_t>(v % 3 | v / 3 % 3 << 2 | v / 9 % 3 << 4 | v / 27 << 6);
  }
  return bytes;
}
constexpr std::array<uint8_t, 256> kTritBytes = MakeTritBytes();

// The binary16 nearest to zero of those around a normal, finite `value`.
uint16_t ToHalf(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = bits >> 16 & 0x8000;
  const int exponent = static_cast<int>(bits >> 23 & 0xff) - 127 + 15;
  if (exponent <= 0) return static_cast<uint16_t>(sign);
  return static_cast<uint16_t>(sign | static_cast<uint32_t>(exponent) << 10 | (bits >> 13 & 0x3ff));
}

// By the sum of four random bytes: bell-shaped values of standard deviation `deviation`.
std::vector<uint16_t> MakeBellHalves(float deviation) {
  constexpr float kMean = 510;
  constexpr float kDeviation = 147.8f;  // sqrt(4 * (256^2 - 1) / 12)
  std::vector<uint16_t> halves(4 * 255 + 1);
  for (size_t i = 0; i < halves.size(); ++i) {
    halves[i] = ToHalf((static_cast<float>(i) - kMean) / kDeviation * deviation);
  }
  return halves;
}

// Fills the file's tensors one after the other.
class WeightFiller {
 public:
  WeightFiller(GgufWriter& writer, uint64_t seed, const std::function<void(double)>& progress)
      : writer_(writer), seed_(seed), progress_(progress) {}

  absl::Status Fill(const TensorInfo& tensor) {
    Random random(seed_, ++stream_);
    switch (tensor.type) {
      case TensorType::kI2S:
        TERN_RETURN_IF_ERROR(FillTrits(tensor, random));
        return AppendScale(tensor);
      case TensorType::kF16:
        return FillHalves(tensor, random);
      case TensorType::kF32:
        return FillNorm(tensor, random);
      default:
        return absl::InternalError("no such tensor type");
    }
  }

 private:
  template <typename Word>
  absl::Status AppendInChunks(uint64_t bytes, const Word& next_word) {
    while (bytes > 0) {
      chunk_.resize(std::min<uint64_t>(bytes, kChunkBytes));
      for (size_t i = 0; i < chunk_.size(); i += sizeof(uint64_t)) {
        const uint64_t word = next_word();
        std::memcpy(chunk_.data() + i, &word, std::min(sizeof(word), chunk_.size() - i));
      }
      TERN_RETURN_IF_ERROR(writer_.Append(chunk_));
      bytes -= chunk_.size();
      if (progress_) {
        progress_(static_cast<double>(writer_.written_bytes()) /
                  static_cast<double>(writer_.total_bytes()));
      }
    }
    return absl::OkStatus();
  }

  absl::Status FillTrits(const TensorInfo& tensor, Random& random) {
    return AppendInChunks(tensor.bytes - kI2STailBytes, [&] {
      uint64_t word = random.Next();
      for (int shift = 0; shift < 64; shift += 8) {
        const uint64_t byte = word >> shift & 0xff;
        word ^= (byte ^ kTritBytes[byte]) << shift;
      }
      return word;
    });
  }

  // Keeps variance: an input of unit variance gives an output of unit variance.
  absl::Status AppendScale(const TensorInfo& tensor) {
    uint8_t tail[kI2STailBytes] = {};
    const float scale = 1 / std::sqrt(static_cast<float>(tensor.cols()) * (2.0f / 3.0f));
    std::memcpy(tail, &scale, sizeof(scale));
    return writer_.Append(tail);
  }

  absl::Status FillHalves(const TensorInfo& tensor, Random& random) {
    const std::vector<uint16_t> halves =
        MakeBellHalves(2 / std::sqrt(static_cast<float>(tensor.cols())));
    return AppendInChunks(tensor.bytes, [&] {
      uint64_t word = 0;
      for (int i = 0; i < 4; i += 2) {
        const uint64_t bits = random.Next();
        const uint64_t a =
            (bits & 0xff) + (bits >> 8 & 0xff) + (bits >> 16 & 0xff) + (bits >> 24 & 0xff);
        const uint64_t b =
            (bits >> 32 & 0xff) + (bits >> 40 & 0xff) + (bits >> 48 & 0xff) + (bits >> 56);
        word = word << 32 | uint64_t{halves[a]} << 16 | halves[b];
      }
      return word;
    });
  }

  // Around 1, but not 1: a forward pass that forgot them would be found out.
  absl::Status FillNorm(const TensorInfo& tensor, Random& random) {
    return AppendInChunks(tensor.bytes, [&] {
      const uint64_t bits = random.Next();
      const float pair[2] = {0.75f + static_cast<float>(bits & 0xffff) * 0x1p-17f,
                             0.75f + static_cast<float>(bits >> 48) * 0x1p-17f};
      return std::bit_cast<uint64_t>(pair);
    });
  }

  GgufWriter& writer_;
  const uint64_t seed_;
  const std::function<void(double)>& progress_;
  uint64_t stream_ = 0;
  std::vector<uint8_t> chunk_;
};

// With the types of the official bitnet-b1.58 file: norms F32, projections I2_S, embedding F16.
std::vector<TensorInfo> AllTensors(const ModelConfig& config) {
  std::vector<TensorInfo> tensors;
  for (TensorSpec& spec : StageTensorSpecs(config, {0, config.layers})) {
    const TensorType type = spec.role == TensorRole::kNorm     ? TensorType::kF32
                            : spec.role == TensorRole::kMatrix ? TensorType::kI2S
                                                               : TensorType::kF16;
    const absl::StatusOr<uint64_t> bytes = TensorBytes(type, spec.shape);
    TERN_CHECK(bytes.ok());  // the shapes are ours
    tensors.push_back({std::move(spec.name), type, std::move(spec.shape), *bytes});
  }
  return tensors;
}

std::vector<std::pair<std::string, GgufValue>> Metadata(const ModelConfig& config) {
  constexpr uint64_t kMostlyI2S = 40;
  std::vector<std::pair<std::string, GgufValue>> metadata;
  AppendModelConfig(config, metadata);
  metadata.emplace_back("general.file_type", GgufValue{kMostlyI2S});
  metadata.emplace_back("general.quantization_version", GgufValue{uint64_t{2}});
  AppendSyntheticVocabulary(config.vocab, metadata);
  return metadata;
}

}  // namespace

std::span<const ModelConfig> SyntheticShapes() {
  // name, dim, ffn_dim, layers, heads, kv_heads, vocab, context
  static const std::vector<ModelConfig> shapes = {
      Shape("tiny", 128, 256, 5, 4, 2, 512, 256),
      Shape("125m", 768, 3072, 11, 12, 12, 32002, 2048),
      Shape("350m", 1024, 3072, 24, 16, 16, 32002, 2048),
      Shape("1b", 2048, 3584, 24, 32, 32, 32002, 2048),
      Shape("1.5b", 1536, 9216, 28, 32, 32, 32002, 2048),
      Shape("bitnet-2b-4t", 2560, 6912, 30, 20, 5, 128256, 4096),
      Shape("2.7b", 3072, 7680, 24, 32, 32, 32002, 2048),
      Shape("3.8b", 3840, 8192, 24, 32, 32, 32002, 2048),
      Shape("7b", 4096, 12032, 32, 32, 32, 32002, 2048),
      Shape("13b", 5120, 13824, 40, 40, 40, 32002, 2048),
      Shape("30b", 6656, 16384, 60, 52, 52, 32002, 2048),
      Shape("70b", 8192, 24576, 80, 64, 64, 32002, 2048),
      Shape("100b", 8192, 45568, 72, 64, 64, 32002, 2048),
  };
  return shapes;
}

absl::StatusOr<ModelConfig> SyntheticShape(absl::string_view name) {
  std::vector<absl::string_view> names;
  for (const ModelConfig& shape : SyntheticShapes()) {
    if (shape.name == name) return shape;
    names.push_back(shape.name);
  }
  return absl::NotFoundError(
      absl::StrCat("shape: found ", name, ", want one of ", absl::StrJoin(names, ", ")));
}

uint64_t SyntheticModelBytes(const ModelConfig& config) {
  constexpr uint64_t kTokenBytes = 40;  // its name, merge, score and kind, about
  uint64_t bytes = config.vocab * kTokenBytes;
  for (const TensorInfo& tensor : AllTensors(config)) bytes += tensor.bytes;
  return bytes;
}

absl::Status WriteSyntheticModel(const ModelConfig& config, const std::string& path, uint64_t seed,
                                 const std::function<void(double)>& progress) {
  TERN_RETURN_IF_ERROR(Validate(config));
  if (config.vocab < kLeastSyntheticVocab) {
    return absl::InvalidArgumentError(
        absl::StrCat("vocab: found ", config.vocab, ", want at least ", kLeastSyntheticVocab));
  }
  const std::vector<TensorInfo> tensors = AllTensors(config);
  TERN_ASSIGN_OR_RETURN(std::unique_ptr<GgufWriter> writer,
                        GgufWriter::Create(path, Metadata(config), tensors));
  WeightFiller filler(*writer, seed, progress);
  for (const TensorInfo& tensor : tensors) TERN_RETURN_IF_ERROR(filler.Fill(tensor));
  TERN_RETURN_IF_ERROR(writer->Finish());
  if (progress) progress(1);
  return absl::OkStatus();
}

}  // namespace tern
