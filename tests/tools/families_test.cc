// SPDX-License-Identifier: MIT
// Models of every family, of random weights, cut into stages: the same bits as in one piece.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/registry.h"
#include "model/embedder.h"
#include "model/synth.h"
#include "tests/support/recorder.h"
#include "tools/local_cluster.h"

namespace tern {
namespace {

struct Family {
  const char* name;
  std::function<void(ModelConfig&)> change;  // of a tiny BitNet
};

std::vector<Family> Families() {
  return {
      {"bitnet", [](ModelConfig& c) { c.activation = Activation::kSilu; }},
      {"llama",
       [](ModelConfig& c) {
         c.activation = Activation::kSilu;
         c.sub_norms = false;
         c.interleaved_rope = true;
         c.tied_head = false;
       }},
      {"qwen3",
       [](ModelConfig& c) {
         c.activation = Activation::kSilu;
         c.sub_norms = false;
         c.qk_norms = true;
         c.head_dim = 64;  // not dim / heads
         c.rope_scaling = RopeScaling::kYarn;
         c.rope_factor = 4;
         c.rope_original_context = 64;
       }},
      {"qwen3_embedding",
       [](ModelConfig& c) {
         c.activation = Activation::kSilu;
         c.sub_norms = false;
         c.qk_norms = c.projection_norms = true;
         c.has_head = false;
       }},
      {"gemma3_embedding",
       [](ModelConfig& c) {
         c.activation = Activation::kGelu;
         c.sub_norms = false;
         c.qk_norms = c.projection_norms = c.post_norms = true;
         c.has_head = false;
         c.embedding_scale = std::sqrt(static_cast<float>(c.dim));
         c.sliding_window = 7;
         c.sliding_pattern = 2;
         c.local_rope_theta = 10000;
       }},
  };
}

class FamiliesTest : public ::testing::TestWithParam<Family> {
 protected:
  void SetUp() override {
    ModelConfig config = SyntheticShape("tiny").value();
    const std::string name = GetParam().name;
    config.architecture = name.substr(0, name.find('_'));
    config.name = name;
    GetParam().change(config);
    path_ = absl::StrCat(::testing::TempDir(), "family_", name, "_", getpid(), ".gguf");
    ASSERT_TRUE(WriteSyntheticModel(config, path_, 5).ok());
    const auto file = ModelFile::Open(path_);
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_EQ((*file)->config(), config);  // what is written is read
  }
  void TearDown() override { unlink(path_.c_str()); }

  // Everything that a request hears: logits of each token, or the output.
  std::vector<std::vector<float>> Run(uint32_t stages, size_t threads, uint32_t prefill_chunk) {
    LocalClusterOptions options;
    options.stages = stages;
    options.threads = threads;
    options.prefill_chunk = prefill_chunk;
    const auto cluster = LocalCluster::Open(path_, options);
    EXPECT_TRUE(cluster.ok()) << cluster.status();
    const auto recorder = std::make_shared<Recorder>();
    GenerationRequest request;
    for (int i = 0; i < 40; ++i) request.prompt.push_back((i * 37 + 5) % 500);
    request.max_tokens = (*cluster)->config().has_head ? 6 : 1;
    request.sampling.temperature = 0;
    request.want_logits = true;
    (*cluster)->engine().Submit(request, recorder);
    const Outcome outcome = recorder->Wait();
    EXPECT_TRUE(outcome.status.ok()) << outcome.status;
    return outcome.logits;
  }

  std::string path_;
};

TEST_P(FamiliesTest, EveryPartitionGivesTheSameBits) {
  const std::vector<std::vector<float>> want = Run(1, 1, 64);
  ASSERT_FALSE(want.empty());
  ASSERT_FALSE(want[0].empty());
  EXPECT_TRUE(Run(2, 2, 7) == want);
  EXPECT_TRUE(Run(5, 1, 1) == want);
}

TEST_P(FamiliesTest, TheClustersVectorIsTheModels) {
  const auto file = ModelFile::Open(path_).value();
  if (file->config().has_head) return;  // it has logits instead
  const auto pool = ThreadPool::Create({.threads = 1, .cpus = {}}).value();
  const auto model = Transformer::Load(file->config(), {0, file->config().layers}, file->tensors(),
                                       ChooseKernels().value(), pool.get())
                         .value();
  std::vector<TokenId> tokens;
  for (int i = 0; i < 40; ++i) tokens.push_back((i * 37 + 5) % 500);
  std::vector<float> found = Run(3, 1, 16).at(0);
  NormaliseVector(found);
  EXPECT_EQ(found, EmbedTokens(*model, tokens, KvType::kF16).value());
}

INSTANTIATE_TEST_SUITE_P(All, FamiliesTest, ::testing::ValuesIn(Families()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace tern
