// SPDX-License-Identifier: MIT
// Every family of models against Hugging Face transformers in float32 (README.md), through every
// file type that can hold its weights.
#include "tests/golden/golden.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/registry.h"
#include "model/convert.h"
#include "tests/support/kernel_names.h"

namespace tern {
namespace {

struct Family {
  const char* name;
  const char* architecture;
  const char* file;                  // within the folder; empty: the folder
  std::vector<TensorType> lossless;  // types that hold the weights exactly
  std::vector<TensorType> rounding;  // types that round their scales to f16
};

std::vector<Family> Families() {
  using T = TensorType;
  const std::vector<T> groups = {T::kQ2_0, T::kPQ2_0, T::kPTQ1_0};
  const std::vector<T> one_scale = {T::kI2S, T::kIQ2BN, T::kF32};
  // 2B4T's scales are bf16 to begin with.
  const std::vector<T> bf16_scale = {T::kI2S,   T::kIQ2BN, T::kF32,  T::kTQ1_0, T::kTQ2_0,
                                     T::kIQ1BN, T::kF16,   T::kBF16, T::kQ2_0,  T::kPQ2_0};
  return {
      {"bitnet_b158", "bitnet-b1.58", "", bf16_scale, {}},
      {"bitnet_b158_online", "bitnet-b1.58", "", one_scale, {T::kIQ1BN, T::kF16}},
      {"bitnet_large", "bitnet", "", one_scale, {T::kIQ1BN, T::kF16}},
      {"bitnet_odd", "bitnet", "", {T::kI2S, T::kIQ2BN, T::kF32, T::kIQ1BN, T::kF16}, {}},
      {"llama", "llama", "", one_scale, {T::kTQ1_0, T::kTQ2_0, T::kIQ1BN, T::kF16}},
      {"bonsai", "qwen3", "model.gguf", groups, {}},
      {"bonsai_yarn", "qwen3", "model.gguf", groups, {}},
      {"bonsai_rotated", "qwen3", "model.gguf", groups, {}},
      {"qwen3_embedding", "qwen3", "", one_scale, {T::kF16}},
      {"gemma3_embedding", "gemma3", "", one_scale, {T::kF16}},
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
  // The model after a conversion.
  static Runner Through(const ConvertOptions& options, const ModelFile& model) {
    const std::string path = TempPath();
    const auto notes = ConvertModel(model, path, options);
    EXPECT_TRUE(notes.ok()) << notes.status();
    Runner converted(path);
    unlink(path.c_str());
    return converted;
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
  for (const std::string& name : KernelNames()) {
    EXPECT_TRUE(Runner(Path(), name).Run(tokens) == want) << name;
  }
}

// Where a type holds the weights exactly, nothing may change, not a bit.
TEST_P(GoldenTest, SameBitsThroughEveryLosslessFileType) {
  Runner original(Path());
  const std::vector<int32_t> tokens = Golden(GetParam().name).Ints("tokens_0");
  const std::vector<float> want = original.Run(tokens);
  for (const TensorType type : GetParam().lossless) {
    Runner converted = Through({.type = type, .head = {}, .progress = {}}, original.file());
    EXPECT_TRUE(converted.Run(tokens) == want) << TensorTypeName(type);
  }
}

// What a scale loses moves activations across roundings: the result is another row near by, and the
// same one whichever of these types had the scales.
TEST_P(GoldenTest, StaysNearThroughTypesThatRoundScales) {
  Runner original(Path());
  const Golden golden(GetParam().name);
  const std::vector<int32_t> tokens = golden.Ints("tokens_0");
  std::vector<float> first;
  for (const TensorType type : GetParam().rounding) {
    SCOPED_TRACE(TensorTypeName(type));
    const std::string path = TempPath();
    const auto notes =
        ConvertModel(original.file(), path, {.type = type, .head = {}, .progress = {}});
    ASSERT_TRUE(notes.ok()) << notes.status();
    EXPECT_THAT(*notes, ::testing::Contains(::testing::HasSubstr("scales were rounded")));
    Runner converted(path);
    unlink(path.c_str());
    golden.ExpectRows(converted, kAnyError);
    const std::vector<float> found = converted.Run(tokens);
    if (first.empty()) first = found;
    EXPECT_TRUE(found == first);
  }
}

// A head in fewer bits computes as one of the numbers that it stands for.
TEST_P(GoldenTest, SmallerHeadsStandForTheirNumbers) {
  Runner original(Path());
  if (!original.config().has_head || original.config().group_cols != 0) return;
  const std::vector<int32_t> tokens = Golden(GetParam().name).Ints("tokens_0");
  const size_t width = original.width();
  for (const TensorType type : {TensorType::kBF16, TensorType::kF16, TensorType::kQ8_0,
                                TensorType::kQ4_0, TensorType::kQ6K}) {
    if (type == TensorType::kQ6K && original.config().dim % 256 != 0) continue;
    SCOPED_TRACE(TensorTypeName(type));
    Runner small = Through({.type = {}, .head = type, .progress = {}}, original.file());
    EXPECT_EQ(small.config().head_type, type);
    Runner wide = Through({.type = {}, .head = TensorType::kF32, .progress = {}}, small.file());
    const std::vector<float> found = small.Run(tokens), want = wide.Run(tokens);
    for (size_t row = 0; row < tokens.size(); ++row) {
      const Difference d = Compare(&found[row * width], &want[row * width], width);
      EXPECT_LT(d.error, kAnyError) << "row " << row;
      EXPECT_GE(d.cosine, kLeastCosine) << "row " << row;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Families, GoldenTest, ::testing::ValuesIn(Families()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace tern
