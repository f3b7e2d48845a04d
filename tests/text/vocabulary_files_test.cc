// SPDX-License-Identifier: MIT
// Vocabularies of every kind of file against the libraries that such files come from, through GGUF
// and back; what is damaged, and what is not known.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "formats/gguf_writer.h"
#include "tests/text/testdata_files.h"
#include "text/sentencepiece_model.h"
#include "text/tiktoken.h"
#include "text/tokenizer.h"
#include "text/tokenizer_json.h"

namespace tern {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<Vocabulary> Parse(const std::string& file, const std::string& bytes) {
  return absl::EndsWith(file, ".json") ? ParseTokenizerJson(bytes, file)
                                       : ParseSentencePieceModel(bytes, file);
}

class VocabularyFileTest : public ::testing::TestWithParam<const char*> {
 protected:
  std::string File() const { return GetParam(); }
  std::string Bytes() const { return Slurp(absl::StrCat(TERN_TESTDATA, "/", File())); }

  void ExpectGolden(const Tokenizer& tokenizer) const {
    const nlohmann::json golden =
        nlohmann::json::parse(Slurp(TERN_TESTDATA "/vocabularies.json"), nullptr, false);
    ASSERT_GT(golden.size(), 15u);
    for (const nlohmann::json& entry : golden) {
      const std::string text = entry["text"].get<std::string>();
      EXPECT_EQ(tokenizer.Encode(text), entry[File()].get<std::vector<TokenId>>()) << text;
    }
  }
};

TEST_P(VocabularyFileTest, GivesTheLibrarysIds) {
  ExpectGolden(*Tokenizer::Create(Parse(File(), Bytes()).value()).value());
}

TEST_P(VocabularyFileTest, ComesBackFromGguf) {
  const Vocabulary vocabulary = Parse(File(), Bytes()).value();
  std::vector<std::pair<std::string, GgufValue>> metadata;
  AppendVocabulary(vocabulary, metadata);
  const std::string path = absl::StrCat(::testing::TempDir(), "vocabulary_", getpid(), ".gguf");
  ASSERT_TRUE(GgufWriter::Create(path, metadata, {}).value()->Finish().ok());
  const auto file = GgufFile::Open(path).value();
  unlink(path.c_str());
  const Vocabulary back = ReadVocabulary(*file).value();
  EXPECT_EQ(back.tokens, vocabulary.tokens);
  EXPECT_EQ(back.kinds, vocabulary.kinds);
  EXPECT_EQ(back.scores, vocabulary.scores);
  EXPECT_EQ(back.add_bos, vocabulary.add_bos);
  EXPECT_EQ(back.add_space_prefix, vocabulary.add_space_prefix);
  ExpectGolden(*Tokenizer::Create(back).value());
}

// Cut anywhere or with any byte changed, a file is taken or refused, and never more.
TEST_P(VocabularyFileTest, SurvivesDamage) {
  const std::string whole = Bytes();
  for (size_t i = 0; i < 200; ++i) {
    const size_t place = whole.size() * i / 200;
    const absl::StatusOr<Vocabulary> cut = Parse(File(), whole.substr(0, place));
    if (absl::EndsWith(File(), ".json")) {
      EXPECT_FALSE(cut.ok());
    }
    std::string changed = whole;
    changed[place] = static_cast<char>(changed[place] ^ (1 << i % 8));
    const absl::StatusOr<Vocabulary> vocabulary = Parse(File(), changed);
    if (vocabulary.ok()) Tokenizer::Create(*vocabulary).status().IgnoreError();
  }
}

INSTANTIATE_TEST_SUITE_P(Files, VocabularyFileTest,
                         ::testing::Values("gpt2.tokenizer.json", "qwen2.tokenizer.json",
                                           "llama3.tokenizer.json", "falcon.tokenizer.json",
                                           "llama2.tokenizer.json", "llama2.model", "gemma.model"),
                         [](const auto& test) {
                           std::string name = test.param;
                           for (char& c : name) c = c == '.' ? '_' : c;
                           return name;
                         });

TEST(TokenizerJsonTest, ReadsWhatBeginsAText) {
  const Vocabulary llama3 =
      ParseTokenizerJson(Slurp(TERN_TESTDATA "/llama3.tokenizer.json"), "x").value();
  EXPECT_EQ(llama3.pre, "llama-bpe");
  EXPECT_EQ(llama3.tokens[static_cast<size_t>(*llama3.bos)], "<|begin_of_text|>");
  EXPECT_EQ(llama3.add_bos, true);
  const Vocabulary gpt2 =
      ParseTokenizerJson(Slurp(TERN_TESTDATA "/gpt2.tokenizer.json"), "x").value();
  EXPECT_EQ(gpt2.pre, "gpt-2");
  EXPECT_EQ(gpt2.add_bos, false);
}

TEST(TokenizerJsonTest, RefusesWhatItDoesNotKnow) {
  const std::pair<const char*, const char*> cases[] = {
      {"{", "it is not JSON"},
      {"[]", "want an object"},
      {R"({"model": {"type": "Unigram"}})", "model: found Unigram, this build reads BPE"},
      {R"({"model": {"type": "BPE"}})", "model.vocab: want tokens"},
      {R"({"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}})", "found id -1"},
      {R"({"model": {"type": "BPE", "vocab": {"a": 99999}, "merges": []}})", "far past"},
      {R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [1]}})", "want pairs of tokens"},
      {R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []},
           "pre_tokenizer": {"type": "Whitespace"}})",
       "pre_tokenizer: found Whitespace"},
      {R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []},
           "normalizer": {"type": "Lowercase"}})",
       "normalizer: found Lowercase"},
  };
  for (const auto& [json, error] : cases) {
    const absl::Status status = ParseTokenizerJson(json, "t.json").status();
    EXPECT_THAT(status.message(), HasSubstr(error)) << json;
    EXPECT_THAT(status.message(), HasSubstr("t.json"));
  }
  EXPECT_THAT(ParseTokenizerJson(std::string(100000, '['), "t").status().message(),
              HasSubstr("nested more than 64 deep"));
}

TEST(TiktokenTest, RefusesWhatIsNone) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "found 0 tokens, this build reads Llama 3's 128000"},
      {"IQ== 0\nIg== 1\n", "found 2 tokens"},
      {"IQ== 0\nIg== 2\n", "line 2: found rank 2, want 1"},
      {"IQ== 0\nIQ== 1\n", "line 2: a token that occurs twice"},
      {"???? 0\n", "line 1: want bytes in base64, a space and a rank"},
      {"IQ==\n", "line 1: want bytes"},
      {"IQ== -1\n", "line 1: want bytes"},
  };
  for (const auto& [text, error] : cases) {
    EXPECT_THAT(ParseTiktoken(text, "t.model").status().message(), HasSubstr(error)) << text;
  }
}

TEST(SentencePieceModelTest, RefusesOtherModels) {
  // TrainerSpec with model_type unigram.
  EXPECT_THAT(ParseSentencePieceModel(std::string("\x12\x02\x18\x01", 4), "m").status().message(),
              HasSubstr("model_type: found unigram, this build reads BPE"));
  EXPECT_THAT(ParseSentencePieceModel("", "m").status().message(), HasSubstr("found no pieces"));
  EXPECT_THAT(ParseSentencePieceModel("\x0a\x7f", "m").status().message(),
              HasSubstr("found a length of 127, but only 0 bytes follow"));
}

// A text of one letter, one merge after the other, is no trouble.
TEST(SentencePieceTest, LongInputsAreNoTrouble) {
  const auto tokenizer =
      Tokenizer::Create(ParseSentencePieceModel(Slurp(TERN_TESTDATA "/llama2.model"), "m").value())
          .value();
  for (const char* unit : {"a", " ", "\xff", "e "}) {
    std::string text;
    while (text.size() < (1 << 20)) text += unit;
    std::string spelled;
    for (const TokenId id : tokenizer->Encode(text)) spelled += tokenizer->TokenBytes(id);
    EXPECT_TRUE(spelled == " " + text) << unit;
  }
}

// A token may reach from one word into the next.
TEST(SentencePieceTest, MergesAcrossWordsWhereATokenDoes) {
  Vocabulary vocabulary;
  vocabulary.source = "words";
  vocabulary.model = "llama";
  vocabulary.unknown = 0;
  vocabulary.add_space_prefix = false;
  const std::pair<const char*, float> tokens[] = {{"<unk>", 0},    {"\u2581", -9},  {"a", -9},
                                                  {"b", -9},       {"\u2581b", -2}, {"a\u2581", -1},
                                                  {"a\u2581b", -3}};
  for (const auto& [name, score] : tokens) {
    vocabulary.tokens.push_back(name);
    vocabulary.scores.push_back(score);
    vocabulary.kinds.push_back(TokenKind::kNormal);
  }
  vocabulary.kinds[0] = TokenKind::kUnknown;
  EXPECT_EQ(Tokenizer::Create(vocabulary).value()->Encode("a b"), std::vector<TokenId>{6});
  vocabulary.tokens[5] = vocabulary.tokens[6] = "";  // without those that do
  vocabulary.kinds[5] = vocabulary.kinds[6] = TokenKind::kUnused;
  EXPECT_EQ(Tokenizer::Create(vocabulary).value()->Encode("a b"), (std::vector<TokenId>{2, 4}));
}

// A missing pre-tokenizer is decided by the vocabulary's size, and said.
TEST(TokenizerTest, SaysWhichPreTokenizerItTook) {
  Vocabulary vocabulary =
      ParseTokenizerJson(Slurp(TERN_TESTDATA "/qwen2.tokenizer.json"), "q.json").value();
  vocabulary.pre.clear();
  const auto small = Tokenizer::Create(vocabulary).value();
  EXPECT_THAT(small->notes(), ::testing::ElementsAre(HasSubstr("taken as default, for a")));
  while (vocabulary.tokens.size() < 151936) {
    vocabulary.tokens.push_back(absl::StrCat("[PAD", vocabulary.tokens.size(), "]"));
    vocabulary.kinds.push_back(TokenKind::kUnused);
  }
  const auto large = Tokenizer::Create(vocabulary).value();
  EXPECT_THAT(large->notes(), ::testing::ElementsAre(HasSubstr("taken as qwen2, for a")));
}

}  // namespace
}  // namespace tern
