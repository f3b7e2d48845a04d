// SPDX-License-Identifier: MIT
#include "model/synth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "formats/gguf.h"
#include "kernels/i2s.h"
#include "model/gguf_config.h"
#include "text/tokenizer.h"

namespace tern {
namespace {

using ::testing::HasSubstr;

// A synthetic file, removed with the object.
class TempModel {
 public:
  TempModel(const ModelConfig& config, uint64_t seed)
      : path_(absl::StrCat(::testing::TempDir(), "/synth_", getpid(), "_", config.vocab, "_", seed,
                           ".gguf")) {
    EXPECT_TRUE(WriteSyntheticModel(config, path_, seed).ok());
    file_ = GgufFile::Open(path_).value();
  }
  ~TempModel() { unlink(path_.c_str()); }

  const GgufFile& file() const { return *file_; }
  std::vector<uint8_t> Bytes(const char* tensor) const {
    const TensorView view = file_->Find(tensor).value();
    return {view.data.begin(), view.data.end()};
  }

 private:
  const std::string path_;
  std::unique_ptr<GgufFile> file_;
};

ModelConfig Tiny() { return SyntheticShape("tiny").value(); }

TEST(SynthTest, WritesAModelOfTheShape) {
  const TempModel model(Tiny(), 1);
  EXPECT_EQ(ReadModelConfig(model.file(), model.file()).value(), Tiny());
  const auto tokenizer = Tokenizer::Create(ReadVocabulary(model.file()).value()).value();
  EXPECT_EQ(tokenizer->vocab(), 512u);
}

TEST(SynthTest, SameSeedSameBytes) {
  const TempModel one(Tiny(), 1);
  const std::vector<uint8_t> bytes = one.Bytes("blk.2.ffn_up.weight");
  EXPECT_EQ(bytes, TempModel(Tiny(), 1).Bytes("blk.2.ffn_up.weight"));
  EXPECT_NE(bytes, TempModel(Tiny(), 2).Bytes("blk.2.ffn_up.weight"));
  EXPECT_NE(bytes, one.Bytes("blk.3.ffn_up.weight"));
}

// A third of the trits are zero, no code is 3, and the scale keeps the variance.
TEST(SynthTest, WeightsAreBalanced) {
  const TempModel model(Tiny(), 7);
  const std::vector<uint8_t> bytes = model.Bytes("blk.0.ffn_down.weight");
  std::vector<int8_t> trits(256 * 128);
  const std::span<const uint8_t> packed = std::span(bytes).first(bytes.size() - kI2STailBytes);
  ASSERT_TRUE(UnpackI2S(packed, trits).ok());
  for (const int trit : {-1, 0, 1}) {
    const auto count = static_cast<double>(std::count(trits.begin(), trits.end(), trit));
    EXPECT_NEAR(count / static_cast<double>(trits.size()), 1.0 / 3, 0.02) << trit;
  }
  float scale = 0;
  std::memcpy(&scale, bytes.data() + packed.size(), sizeof(scale));
  EXPECT_FLOAT_EQ(scale, 1 / std::sqrt(256 * 2.0f / 3));
}

TEST(SynthTest, NormsAreNearOneAndEmbeddingsFinite) {
  const TempModel model(Tiny(), 7);
  const std::vector<uint8_t> norm = model.Bytes("blk.0.attn_norm.weight");
  for (size_t i = 0; i < norm.size(); i += sizeof(float)) {
    float weight = 0;
    std::memcpy(&weight, norm.data() + i, sizeof(weight));
    EXPECT_GE(weight, 0.75f);
    EXPECT_LT(weight, 1.25f);
  }
  const std::vector<uint8_t> embedding = model.Bytes("token_embd.weight");
  for (size_t i = 1; i < embedding.size(); i += 2) {
    EXPECT_LT(embedding[i] & 0x7c, 0x3c);  // below 1 in magnitude
  }
}

TEST(SynthTest, EstimatesTheSize) {
  const TempModel model(Tiny(), 1);
  const auto estimate = static_cast<double>(SyntheticModelBytes(Tiny()));
  EXPECT_NEAR(estimate, static_cast<double>(model.file().file_bytes()), 0.05 * estimate);
  const ModelConfig largest = SyntheticShape("100b").value();
  EXPECT_NEAR(static_cast<double>(SyntheticModelBytes(largest)), 25.5e9, 0.1e9);
}

TEST(SynthTest, LargeVocabularyIsLlama3s) {
  ModelConfig config = Tiny();
  config.vocab = 128256;
  config.layers = 1;
  const TempModel model(config, 1);
  const auto tokenizer = Tokenizer::Create(ReadVocabulary(model.file()).value()).value();
  EXPECT_EQ(tokenizer->vocab(), 128256u);
  EXPECT_EQ(tokenizer->bos(), 128000);
  EXPECT_EQ(tokenizer->eos(), 128001);
  EXPECT_EQ(tokenizer->Special("<|eot_id|>"), 128009);
  EXPECT_EQ(tokenizer->Special("<|start_header_id|>"), 128006);
  // Each word is one token: "aa" is the first after the bytes.
  EXPECT_THAT(tokenizer->Encode("aa"), ::testing::ElementsAre(256));
  EXPECT_THAT(tokenizer->Encode("abc"), ::testing::SizeIs(1));
  EXPECT_EQ(tokenizer->TokenBytes(tokenizer->Encode("abc")[0]), "abc");
}

TEST(SynthTest, RefusesWhatCannotBe) {
  const absl::Status unknown = SyntheticShape("3b").status();
  EXPECT_TRUE(absl::IsNotFound(unknown));
  EXPECT_THAT(unknown.message(), HasSubstr("found 3b, want one of tiny, 125m"));
  ModelConfig config = Tiny();
  config.vocab = 258;
  const std::string path = absl::StrCat(::testing::TempDir(), "/synth_refused.gguf");
  EXPECT_TRUE(absl::IsInvalidArgument(WriteSyntheticModel(config, path, 1)));
  config = Tiny();
  config.ffn_dim = 100;
  EXPECT_TRUE(absl::IsInvalidArgument(WriteSyntheticModel(config, path, 1)));
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(SynthTest, ReportsProgress) {
  const std::string path = absl::StrCat(::testing::TempDir(), "/synth_progress_", getpid());
  std::vector<double> shares;
  ASSERT_TRUE(
      WriteSyntheticModel(Tiny(), path, 1, [&](double share) { shares.push_back(share); }).ok());
  unlink(path.c_str());
  EXPECT_TRUE(std::is_sorted(shares.begin(), shares.end()));
  EXPECT_EQ(shares.back(), 1);
}

}  // namespace
}  // namespace tern
