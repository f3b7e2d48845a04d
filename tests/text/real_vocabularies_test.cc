// SPDX-License-Identifier: MIT
// Llama 2's and Llama 3's own vocabularies. They are not ours to give away, so these tests are
// built where the folder TERN_VOCABULARIES has them.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/sha256.h"
#include "formats/gguf.h"
#include "tests/text/testdata_files.h"
#include "text/tokenizer.h"
#include "text/vocabulary_directory.h"

namespace tern {
namespace {

std::vector<TokenId> Ids(absl::string_view line) {
  std::vector<TokenId> ids;
  for (const absl::string_view part : absl::StrSplit(line, ' ', absl::SkipEmpty())) {
    EXPECT_TRUE(absl::SimpleAtoi(part, &ids.emplace_back())) << part;
  }
  return ids;
}

// llama.cpp's own cases: texts, and their ids a line each.
TEST(RealVocabulariesTest, Llama2) {
  const std::string path = TERN_VOCABULARIES "/llama2/ggml-vocab-llama-spm.gguf";
  const auto file = GgufFile::Open(path).value();
  const auto tokenizer = Tokenizer::Create(ReadVocabulary(*file).value()).value();
  const std::string input = Slurp(path + ".inp"), output = Slurp(path + ".out");
  const std::vector<std::string> texts = absl::StrSplit(input, "\n__ggml_vocab_test__\n");
  const std::vector<std::string> lines = absl::StrSplit(output, '\n');
  ASSERT_GT(texts.size(), 40u);
  ASSERT_GE(lines.size(), texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(tokenizer->Encode(texts[i]), Ids(lines[i])) << texts[i];
  }
}

TEST(RealVocabulariesTest, Llama3) {
  const auto tokenizer =
      Tokenizer::Create(ReadVocabularyOfDirectory(TERN_VOCABULARIES "/llama3").value()).value();
  EXPECT_EQ(tokenizer->vocab(), 128256u);
  EXPECT_EQ(tokenizer->Special("<|eot_id|>"), 128009);
  const nlohmann::json golden =
      nlohmann::json::parse(Slurp(TERN_TESTDATA "/llama3_golden.json"), nullptr, false);
  ASSERT_GT(golden["texts"].size(), 15u);
  for (const nlohmann::json& entry : golden["texts"]) {
    const std::string text = entry["text"].get<std::string>();
    EXPECT_EQ(tokenizer->Encode(text), entry["ids"].get<std::vector<TokenId>>()) << text;
  }
  const std::string joined = absl::StrJoin(tokenizer->Encode(Slurp(TERN_HELDOUT)), " ");
  EXPECT_EQ(Sha256Hex({reinterpret_cast<const uint8_t*>(joined.data()), joined.size()}),
            golden["heldout"]["sha256"].get<std::string>());
  std::string spelled;
  for (const TokenId id : tokenizer->Encode(std::string(1 << 20, 'a'))) {
    spelled += tokenizer->TokenBytes(id);
  }
  EXPECT_TRUE(spelled == std::string(1 << 20, 'a'));
}

}  // namespace
}  // namespace tern
