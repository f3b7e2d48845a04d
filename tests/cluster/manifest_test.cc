// SPDX-License-Identifier: MIT
#include "cluster/manifest.h"

#include <set>
#include <string>
#include <vector>

#include "base/sha256.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/random_model.h"

namespace tern {
namespace {

using ::testing::HasSubstr;

std::vector<std::string> Names(const std::vector<TensorRef>& tensors) {
  std::vector<std::string> names;
  for (const TensorRef& tensor : tensors) names.push_back(tensor.info.name);
  return names;
}

TEST(ManifestTest, NamesEveryTensorByItsBytes) {
  const RandomModel model(SmallConfig(), 1);
  std::vector<float> shares;
  const absl::StatusOr<ModelManifest> manifest =
      BuildManifest(SmallConfig(), model, [&](float share) { shares.push_back(share); });
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->tensors.size(), 11 * SmallConfig().layers + 2);
  for (const TensorRef& tensor : manifest->tensors) {
    EXPECT_EQ(tensor.sha256, Sha256Hex(model.Find(tensor.info.name)->data));
  }
  EXPECT_TRUE(IsSha256Hex(manifest->digest));
  EXPECT_TRUE(std::is_sorted(shares.begin(), shares.end()));
  EXPECT_EQ(shares.back(), 1.0f);
}

TEST(ManifestTest, TheDigestDependsOnEveryByteAndEveryFieldOfTheShape) {
  std::set<std::string> digests;
  RandomModel model(SmallConfig(), 1);
  digests.insert(BuildManifest(SmallConfig(), model)->digest);
  model.data("blk.3.attn_k.weight")[0] ^= 1;
  digests.insert(BuildManifest(SmallConfig(), model)->digest);

  const std::vector<TensorRef> tensors = BuildManifest(SmallConfig(), model)->tensors;
  ModelConfig config = SmallConfig();
  for (uint32_t* field : {&config.vocab, &config.dim, &config.ffn_dim, &config.layers,
                          &config.heads, &config.kv_heads, &config.head_dim, &config.context}) {
    ++*field;
    digests.insert(ManifestDigest(config, tensors));
  }
  config.rope_theta *= 2;
  digests.insert(ManifestDigest(config, tensors));
  config.norm_eps *= 2;
  digests.insert(ManifestDigest(config, tensors));
  config.name += "x";
  digests.insert(ManifestDigest(config, tensors));
  config.architecture += "x";
  digests.insert(ManifestDigest(config, tensors));
  EXPECT_EQ(digests.size(), 2 + 8 + 4);
}

TEST(ManifestTest, StagesGetWhatTheyNeedAndNoMore) {
  const RandomModel model(SmallConfig(), 1);
  const ModelManifest manifest = *BuildManifest(SmallConfig(), model);
  const std::vector<std::string> first = Names(StageTensors(manifest, {0, 2}));
  const std::vector<std::string> middle = Names(StageTensors(manifest, {2, 3}));
  const std::vector<std::string> last = Names(StageTensors(manifest, {3, 5}));
  EXPECT_EQ(first.size(), 1 + 2 * 11);
  EXPECT_EQ(first.front(), "token_embd.weight");
  EXPECT_EQ(middle.size(), 11);
  EXPECT_EQ(last.size(), 1 + 2 * 11 + 1);  // the embedding is the head, too
  EXPECT_EQ(last.front(), "token_embd.weight");
  EXPECT_EQ(last.back(), "output_norm.weight");
  std::set<std::string> all(first.begin(), first.end());
  all.insert(middle.begin(), middle.end());
  all.insert(last.begin(), last.end());
  EXPECT_EQ(all.size(), manifest.tensors.size());
  EXPECT_EQ(Names(StageTensors(manifest, {0, 5})), Names(manifest.tensors));
}

TEST(ManifestTest, ATensorThatIsMissingOrOfAnotherShapeIsAnError) {
  RandomModel model(SmallConfig(), 1);
  model.info("blk.1.ffn_up.weight").shape[1] += 1;
  const absl::Status ill_shaped = BuildManifest(SmallConfig(), model).status();
  EXPECT_EQ(ill_shaped.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(ill_shaped.ToString(), HasSubstr("blk.1.ffn_up.weight"));
  model.Erase("blk.1.ffn_up.weight");
  EXPECT_EQ(BuildManifest(SmallConfig(), model).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace tern
