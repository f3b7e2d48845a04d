// SPDX-License-Identifier: MIT
// Every family of models against Hugging Face transformers in float32 (README.md), through every
// file type that can hold its weights.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "formats/safetensors.h"
#include "kernels/registry.h"
#include "model/convert.h"
#include "model/model_file.h"
#include "model/transformer.h"

namespace tern {
namespace {

// The gate. Rows that do not move under a jitter of the reference are held to its precision; in the
// others some activation may round to the other int8 neighbour, which spreads.
constexpr double kStableError = 1e-4;
constexpr double kAnyError = 7e-2;
constexpr double kLeastCosine = 0.997;

template <typename T>
std::vector<T> Values(const Safetensor& tensor) {
  std::vector<T> values(tensor.data.size() / sizeof(T));
  std::memcpy(values.data(), tensor.data.data(), tensor.data.size());
  return values;
}

// A loaded model that computes logits, or normalised vectors, of whole sequences.
class Runner {
 public:
  explicit Runner(const std::string& path, const std::string& isa = "")
      : file_(ModelFile::Open(path).value()),
        pool_(ThreadPool::Create({.threads = 2, .cpus = {}}).value()),
        model_(Transformer::Load(config(), {0, config().layers}, file_->tensors(),
                                 ChooseKernels(isa).value(), pool_.get())
                   .value()) {}

  const ModelConfig& config() const { return file_->config(); }
  const ModelFile& file() const { return *file_; }
  size_t width() const { return config().has_head ? config().vocab : config().dim; }

  // [tokens, width]
  std::vector<float> Run(const std::vector<int32_t>& tokens) {
    const uint32_t rows = static_cast<uint32_t>(tokens.size());
    KvCache cache =
        KvCache::Create(config(), config().layers, KvPagesFor(rows), KvType::kF32).value();
    std::vector<float> hidden(rows * config().dim), out(rows * width());
    model_->Embed(tokens, hidden.data());
    const SequenceRows batch = {0, 0, rows};
    EXPECT_TRUE(model_->Forward({&batch, 1}, cache, hidden.data()).ok());
    if (config().has_head) {
      model_->Logits(hidden, out.data());
    } else {
      model_->OutputNorm(hidden, out.data());
      for (uint32_t row = 0; row < rows; ++row) Normalise(out.data() + row * width());
    }
    return out;
  }

 private:
  void Normalise(float* row) const {
    double power = 0;
    for (size_t i = 0; i < width(); ++i) power += static_cast<double>(row[i]) * row[i];
    for (size_t i = 0; i < width(); ++i) row[i] /= static_cast<float>(std::sqrt(power));
  }

  std::unique_ptr<ModelFile> file_;
  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<Transformer> model_;
};

struct Difference {
  double error = 0;  // largest, relative to the reference's largest number
  double cosine = 0;
};

Difference Compare(const float* found, const float* want, size_t width) {
  double error = 0, most = 0, dot = 0, found_power = 0, want_power = 0;
  for (size_t i = 0; i < width; ++i) {
    error = std::max(error, std::fabs(static_cast<double>(found[i]) - want[i]));
    most = std::max(most, std::fabs(static_cast<double>(want[i])));
    dot += static_cast<double>(found[i]) * want[i];
    found_power += static_cast<double>(found[i]) * found[i];
    want_power += static_cast<double>(want[i]) * want[i];
  }
  return {error / most, dot / std::sqrt(found_power * want_power)};
}

class Golden {
 public:
  explicit Golden(const std::string& family)
      : file_(SafetensorsFile::Open(absl::StrCat(TERN_GOLDEN, "/", family, "/golden.safetensors"))
                  .value()) {}

  const Safetensor* Find(const std::string& name) const {
    for (const Safetensor& tensor : file_->tensors()) {
      if (tensor.name == name) return &tensor;
    }
    return nullptr;
  }
  std::vector<int32_t> Ints(const std::string& name) const { return Values<int32_t>(*Find(name)); }

  void ExpectRows(Runner& runner) const {
    int stable_rows = 0;
    for (int k = 0; Find(absl::StrCat("tokens_", k)) != nullptr; ++k) {
      const std::vector<int32_t> tokens = Ints(absl::StrCat("tokens_", k));
      const auto want = Values<float>(*Find(absl::StrCat("logits_", k)));
      const auto stable = Values<uint8_t>(*Find(absl::StrCat("stable_", k)));
      const std::vector<float> found = runner.Run(tokens);
      const size_t width = runner.width();
      ASSERT_EQ(found.size(), want.size());
      for (size_t row = 0; row < tokens.size(); ++row) {
        const Difference d = Compare(&found[row * width], &want[row * width], width);
        EXPECT_LT(d.error, stable[row] != 0 ? kStableError : kAnyError) << k << ", row " << row;
        EXPECT_GE(d.cosine, kLeastCosine) << k << ", row " << row;
        stable_rows += stable[row];
      }
    }
    EXPECT_GE(stable_rows, 6);
  }

  void ExpectGreedy(Runner& runner) const {
    if (!runner.config().has_head) return;
    std::vector<int32_t> tokens = Ints("greedy_prompt");
    const std::vector<int32_t> want = Ints("greedy");
    ASSERT_EQ(want.size(), 16u);
    for (const int32_t token : want) {
      const std::vector<float> logits = runner.Run(tokens);
      const auto last = logits.end() - static_cast<ptrdiff_t>(runner.width());
      ASSERT_EQ(std::max_element(last, logits.end()) - last, token)
          << "after " << tokens.size() << " tokens";
      tokens.push_back(token);
    }
  }

 private:
  std::unique_ptr<SafetensorsFile> file_;
};

struct Family {
  const char* name;
  const char* architecture;
  const char* file;                  // within the folder; empty: the folder
  std::vector<TensorType> lossless;  // types that hold the weights exactly
};

std::vector<Family> Families() {
  using T = TensorType;
  const std::vector<T> groups = {T::kQ2_0, T::kPQ2_0, T::kPTQ1_0};
  return {
      {"bitnet_b158", "bitnet-b1.58", "", {T::kI2S, T::kIQ2BN}},
      {"bitnet_b158_online", "bitnet-b1.58", "", {T::kI2S, T::kIQ2BN}},
      {"bitnet_large", "bitnet", "", {T::kI2S, T::kIQ2BN}},
      {"bitnet_odd", "bitnet", "", {T::kI2S, T::kIQ2BN}},
      {"llama", "llama", "", {T::kI2S, T::kIQ2BN}},
      {"bonsai", "qwen3", "model.gguf", groups},
      {"bonsai_yarn", "qwen3", "model.gguf", groups},
      {"bonsai_rotated", "qwen3", "model.gguf", groups},
      {"qwen3_embedding", "qwen3", "", {T::kI2S, T::kIQ2BN}},
      {"gemma3_embedding", "gemma3", "", {T::kI2S, T::kIQ2BN}},
  };
}

class GoldenTest : public ::testing::TestWithParam<Family> {
 protected:
  static std::string Path() {
    return absl::StrCat(TERN_GOLDEN, "/", GetParam().name, "/", GetParam().file);
  }
  static std::string TempPath() {
    return absl::StrCat(::testing::TempDir(), "golden_", GetParam().name, "_", getpid(), ".gguf");
  }
};

TEST_P(GoldenTest, EqualsTheReference) {
  Runner runner(Path());
  EXPECT_EQ(runner.config().architecture, GetParam().architecture);
  const Golden golden(GetParam().name);
  golden.ExpectRows(runner);
  golden.ExpectGreedy(runner);
}

TEST_P(GoldenTest, SameBitsOnEveryInstructionSet) {
  const std::vector<int32_t> tokens = Golden(GetParam().name).Ints("tokens_0");
  const std::vector<float> want = Runner(Path(), "portable").Run(tokens);
  for (const VectorOps& ops : VectorOpsTable()) {
    if (!CpuSupports(ops.isa)) continue;
    EXPECT_TRUE(Runner(Path(), IsaName(ops.isa)).Run(tokens) == want) << ops.name;
  }
}

// Where a type holds the weights exactly, nothing may change, not a bit.
TEST_P(GoldenTest, SameBitsThroughEveryLosslessFileType) {
  Runner original(Path());
  const std::vector<int32_t> tokens = Golden(GetParam().name).Ints("tokens_0");
  const std::vector<float> want = original.Run(tokens);
  for (const TensorType type : GetParam().lossless) {
    const std::string path = TempPath();
    const auto notes =
        ConvertModel(original.file(), path, {.type = type, .head = {}, .progress = {}});
    ASSERT_TRUE(notes.ok()) << TensorTypeName(type) << ": " << notes.status();
    Runner converted(path);
    unlink(path.c_str());
    EXPECT_TRUE(converted.Run(tokens) == want) << TensorTypeName(type);
  }
}

INSTANTIATE_TEST_SUITE_P(Families, GoldenTest, ::testing::ValuesIn(Families()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace tern
