// SPDX-License-Identifier: MIT
// The sample model's logits, to the bit, as one digest for every architecture, instruction set,
// packing and chunk size. Only a change of what the forward pass computes may change it.
#include <gtest/gtest.h>

#include <string>

#include "base/sha256.h"
#include "model/model_file.h"
#include "tests/support/kernel_names.h"
#include "tests/support/run_model.h"

namespace tern {
namespace {

constexpr size_t kTokens = 24;
constexpr char kDigest[] = "7eb6362e0f46f4f5e7b04271d341c5fa1bc6396104256fcb7f9e9207f9d49b28";

TEST(SampleModelTest, EveryKernelGivesTheRecordedLogits) {
  const std::unique_ptr<ModelFile> file = ModelFile::Open(TERN_SAMPLE_MODEL).value();
  const std::vector<TokenId> tokens = RandomTokens(file->config(), kTokens, 4);
  for (const std::string& name : KernelNames()) {
    for (const uint32_t chunk : {1, 11}) {
      RunOptions options;
      options.isa = name;
      options.chunk = chunk;
      const std::vector<float> logits = RunModel(file->config(), file->tensors(), tokens, options);
      const auto* bytes = reinterpret_cast<const uint8_t*>(logits.data());
      EXPECT_EQ(Sha256Hex({bytes, logits.size() * sizeof(float)}), kDigest)
          << name << ", chunks of " << chunk;
    }
  }
}

TEST(SampleModelTest, EveryTokenHasARowOfTheEmbedding) {
  const std::unique_ptr<ModelFile> file = ModelFile::Open(TERN_SAMPLE_MODEL).value();
  Vocabulary vocabulary = file->ReadVocabulary().value();
  EXPECT_TRUE(file->MakeTokenizer(vocabulary).ok());
  while (vocabulary.tokens.size() <= file->config().vocab) {
    vocabulary.tokens.push_back("more" + std::to_string(vocabulary.tokens.size()));
    vocabulary.kinds.push_back(TokenKind::kControl);
  }
  const absl::Status status = file->MakeTokenizer(vocabulary).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(status.message().find("the rows of the embedding"), std::string::npos) << status;
}

}  // namespace
}  // namespace tern
