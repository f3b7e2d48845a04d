// SPDX-License-Identifier: MIT
#include "model/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <set>

#include "model/synth.h"
#include "model/weights.h"

namespace tern {
namespace {

using ::testing::HasSubstr;

ModelConfig Official() { return SyntheticShape("bitnet-2b-4t").value(); }

TEST(ConfigTest, AcceptsKnownShapes) {
  for (const ModelConfig& shape : SyntheticShapes()) {
    EXPECT_TRUE(Validate(shape).ok()) << shape.name << ": " << Validate(shape);
  }
}

struct Refusal {
  const char* name;
  std::function<void(ModelConfig&)> change;
  const char* error;
};

std::vector<Refusal> Refusals() {
  using C = ModelConfig;
  return {
      {"NoVocab", [](C& c) { c.vocab = 0; }, "vocab: found 0, want between 1 and"},
      {"HugeVocab", [](C& c) { c.vocab = 1u << 31; }, "vocab: found 2147483648"},
      {"NoDim", [](C& c) { c.dim = 0; }, "dim: found 0"},
      {"HugeDim", [](C& c) { c.dim = 500096; }, "dim: found 500096"},
      {"OddDim", [](C& c) { c.dim = 2561; }, "dim: found 2561, want a multiple of 16"},
      {"OddFfn", [](C& c) { c.ffn_dim = 8648; }, "ffn_dim: found 8648, want a multiple of 16"},
      {"NoFfn", [](C& c) { c.ffn_dim = 0; }, "ffn_dim: found 0"},
      {"NoLayers", [](C& c) { c.layers = 0; }, "layers: found 0"},
      {"HugeLayers", [](C& c) { c.layers = 5000; }, "layers: found 5000"},
      {"NoHeads", [](C& c) { c.heads = 0; }, "heads: found 0"},
      {"NoKvHeads", [](C& c) { c.kv_heads = 0; }, "kv_heads: found 0"},
      {"MoreKvHeads", [](C& c) { c.kv_heads = 40; }, "kv_heads: found 40, want between 1 and 20"},
      {"UnevenKvHeads", [](C& c) { c.kv_heads = 3; },
       "heads: found 20, want a multiple of kv_heads"},
      {"NoHeadDim", [](C& c) { c.head_dim = 0; }, "head_dim: found 0"},
      {"OddGroups",
       [](C& c) {
         c.activation_bits = ActivationBits::k22;
         c.group_cols = 96;
       },
       "dim: found 2560, want a multiple of 96"},
      {"GroupsOfNothing", [](C& c) { c.group_cols = 128; }, "group_cols: found 128, want 0"},
      {"WindowWithoutPattern", [](C& c) { c.sliding_window = 16; }, "sliding_pattern: found 0"},
      {"OddRotation", [](C& c) { c.rotation.block_cols = 48; }, "rotation block: found 48"},
      {"RotationOfOtherWidth", [](C& c) { c.rotation.block_cols = 1024; },
       "dim: found 2560, want a multiple of 1024"},
      {"YarnWithoutContext", [](C& c) { c.rope_scaling = RopeScaling::kYarn; },
       "rope_original_context: found 0"},
      {"OddHeadDim", [](C& c) { c.dim = 1920, c.heads = 128, c.kv_heads = 16, c.head_dim = 15; },
       "head_dim: found 15, want a multiple of 2"},
      {"ThinKv", [](C& c) { c.dim = 384, c.heads = 64, c.kv_heads = 1, c.head_dim = 6; },
       "kv_dim: found 6, want a multiple of 16"},
      {"NoContext", [](C& c) { c.context = 0; }, "context: found 0"},
      {"HugeContext", [](C& c) { c.context = 1u << 30; }, "context: found 1073741824"},
      {"HugeRopeTables",
       [](C& c) { c.dim = 10240, c.heads = 10, c.head_dim = 1024, c.context = 1 << 20; },
       "context: found 1048576, want at most 262144"},
      {"NoTheta", [](C& c) { c.rope_theta = 0; }, "rope_theta: found 0, want a positive number"},
      {"NotANumberTheta", [](C& c) { c.rope_theta = NAN; }, "rope_theta: found nan"},
      {"NegativeEps", [](C& c) { c.norm_eps = -1; }, "norm_eps: found -1"},
      {"InfiniteEps", [](C& c) { c.norm_eps = INFINITY; }, "norm_eps: found inf"},
  };
}

class ConfigRefusalTest : public ::testing::TestWithParam<Refusal> {};

TEST_P(ConfigRefusalTest, NamesTheField) {
  ModelConfig config = Official();
  GetParam().change(config);
  const absl::Status status = Validate(config);
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr(GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(All, ConfigRefusalTest, ::testing::ValuesIn(Refusals()),
                         [](const auto& test) { return test.param.name; });

// 332 tensors of 1,179,449,920 bytes: the official file's own figures.
TEST(ConfigTest, ListsTheTensorsOfTheOfficialFile) {
  const ModelConfig config = Official();
  const std::vector<TensorSpec> tensors = StageTensorSpecs(config, {0, config.layers});
  std::set<std::string> names;
  uint64_t bytes = 0;
  for (const TensorSpec& tensor : tensors) {
    names.insert(tensor.name);
    const TensorType type = tensor.role == TensorRole::kNorm     ? TensorType::kF32
                            : tensor.role == TensorRole::kMatrix ? TensorType::kI2S
                                                                 : TensorType::kF16;
    bytes += TensorBytes(type, tensor.shape).value();
  }
  EXPECT_EQ(tensors.size(), 332u);
  EXPECT_EQ(names.size(), 332u);
  EXPECT_EQ(bytes, 1179449920u);
  EXPECT_TRUE(names.contains("blk.29.ffn_sub_norm.weight"));
}

TEST(ConfigTest, ShapesFollowTheConfig) {
  const ModelConfig config = Official();
  const std::vector<TensorSpec> layer = LayerTensors(config, 3);
  const auto shape = [&](const std::string& name) {
    for (const TensorSpec& tensor : layer) {
      if (tensor.name == "blk.3." + name + ".weight") return tensor.shape;
    }
    return std::vector<uint64_t>{};
  };
  using ::testing::ElementsAre;
  EXPECT_THAT(shape("attn_k"), ElementsAre(2560, 640));
  EXPECT_THAT(shape("ffn_up"), ElementsAre(2560, 6912));
  EXPECT_THAT(shape("ffn_down"), ElementsAre(6912, 2560));
  EXPECT_THAT(shape("ffn_sub_norm"), ElementsAre(6912));
  EXPECT_THAT(EmbeddingTensor(config).shape, ElementsAre(2560, 128256));
}

}  // namespace
}  // namespace tern
