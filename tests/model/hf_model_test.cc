// SPDX-License-Identifier: MIT
// Hugging Face directories: what config.json means, and what is refused. (That the weights are
// right is golden/golden.)
#include "model/hf_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "formats/ternary.h"
#include "model/convert.h"
#include "model/model_file.h"

namespace tern {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

Json ConfigOf(const std::string& family) {
  std::ifstream in(absl::StrCat(TERN_GOLDEN, "/", family, "/config.json"));
  return Json::parse(in, nullptr, false);
}

// As it would come from a file: numbers made here are signed.
absl::StatusOr<HfConfig> Read(const Json& json) {
  return ReadHfConfig(Json::parse(json.dump()), "config.json");
}

TEST(HfConfigTest, ReadsEachFamily) {
  const HfConfig bitnet = ReadHfConfig(ConfigOf("bitnet_b158"), "c").value();
  EXPECT_EQ(bitnet.model.architecture, "bitnet-b1.58");
  EXPECT_EQ(bitnet.model.activation, Activation::kSquaredRelu);
  EXPECT_TRUE(bitnet.model.sub_norms && bitnet.multiplies_scale);
  EXPECT_EQ(bitnet.model.rope_theta, 500000);
  const HfConfig large = ReadHfConfig(ConfigOf("bitnet_large"), "c").value();
  EXPECT_EQ(large.model.architecture, "bitnet");
  EXPECT_EQ(large.model.activation, Activation::kSilu);
  EXPECT_TRUE(large.trained_ternary);
  const HfConfig llama = ReadHfConfig(ConfigOf("llama"), "c").value();
  EXPECT_FALSE(llama.multiplies_scale);
  EXPECT_FALSE(llama.model.tied_head);
  const HfConfig gemma = ReadHfConfig(ConfigOf("gemma3_embedding"), "c").value();
  EXPECT_TRUE(gemma.norms_are_offsets && gemma.model.post_norms && gemma.model.qk_norms);
  EXPECT_EQ(gemma.model.sliding_window, 8u);
  EXPECT_EQ(gemma.model.sliding_pattern, 3u);
  EXPECT_EQ(gemma.model.rope_theta, 1e6f);
  EXPECT_EQ(gemma.model.local_rope_theta, 1e4f);
}

TEST(HfConfigTest, ReadsYarnInBothForms) {
  Json old = ConfigOf("llama");
  old.erase("rope_parameters");
  old["rope_theta"] = 500000.0;
  old["rope_scaling"] = {
      {"type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 64}};
  Json recent = ConfigOf("llama");
  recent["rope_parameters"] = {{"rope_type", "yarn"},
                               {"factor", 4.0},
                               {"rope_theta", 500000.0},
                               {"original_max_position_embeddings", 64}};
  for (const Json& json : {old, recent}) {
    const ModelConfig config = Read(json)->model;
    EXPECT_EQ(config.rope_scaling, RopeScaling::kYarn);
    EXPECT_EQ(config.rope_factor, 4);
    EXPECT_EQ(config.rope_original_context, 64u);
    EXPECT_EQ(config.rope_theta, 500000);
  }
}

TEST(HfConfigTest, RefusesByName) {
  const std::tuple<const char*, Json, const char*> cases[] = {
      {"model_type", "qwen35", "model_type: found qwen35 (), this build runs bitnet"},
      {"hidden_size", "wide", "hidden_size: found \\\"wide\\\", want a whole number"},
      {"hidden_size", -1, "hidden_size: found -1"},
      {"hidden_size", 1e300, "hidden_size: found 1e+300"},
      {"rms_norm_eps", nullptr, "rms_norm_eps: found none, want a number"},
      {"attention_bias", true, "attention_bias: found true, this build runs false"},
      {"rope_parameters", {{"rope_type", "llama3"}}, "rope_type: found llama3, this build runs"},
      {"quantization_config", {{"quant_method", "gptq"}}, "quant_method: found gptq"},
      {"quantization_config", 3, "quantization_config: found 3, want an object"},
  };
  for (const auto& [key, value, error] : cases) {
    Json json = ConfigOf("llama");
    json[key] = value;
    const absl::Status status = Read(json).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status) || absl::IsDataLoss(status)) << status;
    EXPECT_THAT(status.message(), HasSubstr(error));
  }
}

// A copy of a golden directory to be changed.
class HfModelTest : public ::testing::Test {
 protected:
  void Copy(const std::string& family) {
    std::filesystem::remove_all(folder_);
    std::filesystem::copy(absl::StrCat(TERN_GOLDEN, "/", family), folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void ChangeConfig(const std::function<void(Json&)>& change) {
    Json json;
    std::ifstream(folder_ + "/config.json") >> json;
    change(json);
    std::ofstream(folder_ + "/config.json") << json.dump();
  }
  absl::Status Open() const { return ModelFile::Open(folder_).status(); }

  const std::string folder_ = absl::StrCat(::testing::TempDir(), "hf_", getpid());
};

TEST_F(HfModelTest, RefusesWhatIsNotTernary) {
  Copy("bitnet_large");  // dense masters
  EXPECT_TRUE(Open().ok()) << Open();
  ChangeConfig([](Json& json) { json["architectures"] = {"LlamaForCausalLM"}; });
  EXPECT_TRUE(absl::IsFailedPrecondition(Open())) << Open();
  EXPECT_THAT(Open().message(), HasSubstr("it is dense, not ternary: rounding it to trits would"));
}

TEST_F(HfModelTest, NamesWhatIsMissing) {
  Copy("bitnet_b158");
  ChangeConfig([](Json& json) { json["num_hidden_layers"] = 3; });
  EXPECT_THAT(Open().message(), HasSubstr("no tensor model.layers.2."));
  ChangeConfig([](Json& json) {
    json["num_hidden_layers"] = 2;
    json["intermediate_size"] = 640;
  });
  const auto model = HfModel::Open(folder_);
  ASSERT_TRUE(model.ok()) << model.status();  // shapes are read with the weights
  EXPECT_THAT((*model)->Find("blk.0.ffn_up.weight").status().message(),
              HasSubstr("found shape [128, 256], want [160, 256]"));
  std::filesystem::remove(folder_ + "/config.json");
  EXPECT_TRUE(absl::IsNotFound(Open()));
}

// The scale's two meanings differ by what config.json says.
TEST_F(HfModelTest, ReadsBothMeaningsOfAScale) {
  Copy("bitnet_b158");
  const auto scale = [&] {
    const TensorView view = HfModel::Open(folder_).value()->Find("blk.0.attn_q.weight").value();
    std::vector<int8_t> trits(256);
    float found = 0;
    EXPECT_TRUE(UnpackTernary(view, 0, 1, {trits.data(), &found}).ok());
    return found;
  };
  const float multiplied = scale();
  ChangeConfig([](Json& json) { json["quantization_config"].erase("linear_class"); });
  EXPECT_EQ(scale(), 1 / multiplied);
}

TEST(ConvertTest, RefusesTypesThatCannotHoldTheWeights) {
  const std::string out = absl::StrCat(::testing::TempDir(), "convert_", getpid(), ".gguf");
  const auto convert = [&](const std::string& family, ConvertOptions options) {
    const auto model = ModelFile::Open(absl::StrCat(TERN_GOLDEN, "/", family));
    EXPECT_TRUE(model.ok()) << model.status();
    const absl::Status status = ConvertModel(**model, out, options).status();
    EXPECT_EQ(std::filesystem::exists(out), status.ok());
    unlink(out.c_str());
    return status;
  };
  EXPECT_THAT(convert("bonsai/model.gguf", {.type = TensorType::kI2S, .head = {}, .progress = {}})
                  .message(),
              HasSubstr("where I2_S has one"));
  EXPECT_THAT(
      convert("bitnet_odd", {.type = TensorType::kTQ2_0, .head = {}, .progress = {}}).message(),
      HasSubstr("TQ2_0 columns: found 192, want a multiple of 256"));
  EXPECT_TRUE(
      convert("bitnet_b158", {.type = TensorType::kTQ1_0, .head = TensorType::kQ6K, .progress = {}})
          .ok());
  EXPECT_FALSE(std::filesystem::exists(out));
}

}  // namespace
}  // namespace tern
