// SPDX-License-Identifier: MIT
// The tokenizer against the Hugging Face tokenizers library, on bytes that are no text, and on
// damaged tables; the streaming decoder.
#include "text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

#include "tests/formats/gguf_bytes.h"
#include "tests/text/testdata_files.h"
#include "text/byte_alphabet.h"

namespace tern {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Decoded(const Tokenizer& tokenizer, const std::vector<TokenId>& ids) {
  std::string text;
  for (const TokenId id : ids) text += tokenizer.TokenBytes(id);
  return text;
}

// Each case of one list of testdata/tokenizer_golden.json.
void ExpectGolden(const char* list, bool parse_special) {
  std::ifstream in(TERN_TESTDATA "/tokenizer_golden.json");
  const nlohmann::json golden = nlohmann::json::parse(in);
  ASSERT_FALSE(golden[list].empty());
  for (const nlohmann::json& entry : golden[list]) {
    const std::string text = entry["text"];
    const std::vector<TokenId> ids = Sample().Encode(text, parse_special);
    EXPECT_EQ(ids, entry["ids"].get<std::vector<TokenId>>()) << entry["text"];
    EXPECT_EQ(Decoded(Sample(), ids), text);
  }
}

TEST(TokenizerTest, EqualsTheReferenceOnText) { ExpectGolden("text", false); }
TEST(TokenizerTest, EqualsTheReferenceOnSpecialTokens) { ExpectGolden("special", true); }

TEST(TokenizerTest, KnowsItsSpecialTokens) {
  EXPECT_EQ(Sample().vocab(), 4096u);
  EXPECT_EQ(Sample().bos(), 4093);
  EXPECT_EQ(Sample().eos(), 4094);
  EXPECT_TRUE(Sample().add_bos());
  EXPECT_EQ(Sample().Special("<|eot_id|>"), 4095);
  EXPECT_EQ(Sample().Special("the"), std::nullopt);
  EXPECT_THAT(Sample().stop_tokens(), ElementsAre(4094, 4095));
  EXPECT_TRUE(Sample().IsControl(4095));
  EXPECT_FALSE(Sample().IsControl(0));
  EXPECT_EQ(Sample().TokenBytes(4093), "<|begin_of_text|>");
}

TEST(TokenizerTest, IdsOutOfRangeAreEmpty) {
  for (const TokenId id : {-1, 4096, std::numeric_limits<TokenId>::max()}) {
    EXPECT_THAT(Sample().TokenBytes(id), IsEmpty());
    EXPECT_FALSE(Sample().IsControl(id));
  }
}

TEST(TokenizerTest, EncodesBytesThatAreNoText) {
  const TokenId ff = Sample().Encode("\xff")[0];
  EXPECT_EQ(Sample().TokenBytes(ff), "\xff");
  std::vector<TokenId> want = Sample().Encode("Hello");
  want.push_back(ff);
  const std::vector<TokenId> world = Sample().Encode(" world");
  want.insert(want.end(), world.begin(), world.end());
  EXPECT_EQ(Sample().Encode("Hello\xff world"), want);
}

// Whatever the bytes, the tokens spell them.
TEST(TokenizerTest, KeepsEveryByte) {
  std::mt19937 rng(4096);
  for (int round = 0; round < 200; ++round) {
    std::string bytes(rng() % 200, '\0');
    for (char& byte : bytes) byte = static_cast<char>(rng());
    EXPECT_EQ(Decoded(Sample(), Sample().Encode(bytes)), bytes);
    EXPECT_EQ(Decoded(Sample(), Sample().Encode(bytes, true)), bytes);
  }
}

// Quadratic work, or one machine stack frame a character, would not end well.
TEST(TokenizerTest, LongInputsAreNoTrouble) {
  constexpr size_t kBytes = size_t{1} << 20;
  for (const char* unit : {"a", " ", "\n", "1", "<", "!", "\xe2", " \n", "ab ", "'s"}) {
    std::string text;
    while (text.size() < kBytes) text += unit;
    const std::vector<TokenId> ids = Sample().Encode(text, true);
    EXPECT_TRUE(Decoded(Sample(), ids) == text) << unit;
  }
}

// A vocabulary of the 256 bytes, `more` tokens of the given kind, and `merges`.
struct TestVocabulary {
  std::vector<std::string> more;
  int32_t kind = 1;
  std::vector<std::string> merges;
  std::string model = "gpt2";
  std::string pre = "llama-bpe";
  int bytes = 256;

  absl::StatusOr<std::unique_ptr<Tokenizer>> Create() const {
    constexpr uint32_t kInt32 = 5, kString = 8, kArray = 9;
    std::vector<std::string> tokens;
    for (int byte = 0; byte < bytes; ++byte) {
      tokens.push_back(BytesToLetters(std::string(1, static_cast<char>(byte))));
    }
    tokens.insert(tokens.end(), more.begin(), more.end());
    GgufBytes out;
    out.Header(0, 5);
    out.Key("tokenizer.ggml.model", kString).String(model);
    out.Key("tokenizer.ggml.pre", kString).String(pre);
    out.Key("tokenizer.ggml.tokens", kArray).Number(kString).Number<uint64_t>(tokens.size());
    for (const std::string& token : tokens) out.String(token);
    out.Key("tokenizer.ggml.token_type", kArray).Number(kInt32).Number<uint64_t>(tokens.size());
    for (size_t i = 0; i < tokens.size(); ++i) {
      out.Number<int32_t>(i < tokens.size() - more.size() ? 1 : kind);
    }
    out.Key("tokenizer.ggml.merges", kArray).Number(kString).Number<uint64_t>(merges.size());
    for (const std::string& merge : merges) out.String(merge);
    const auto file = GgufFile::Parse(out.span(), "v.gguf").value();
    const absl::StatusOr<Vocabulary> vocabulary = ReadVocabulary(*file);
    if (!vocabulary.ok()) return vocabulary.status();
    return Tokenizer::Create(*vocabulary);
  }
};

TEST(TokenizerTest, AWholePieceThatIsATokenNeedsNoMerges) {
  const TestVocabulary vocabulary = {{"ab", "abc"}, 1, {"a b"}};
  const auto tokenizer = vocabulary.Create().value();
  EXPECT_THAT(tokenizer->Encode("abc"), ElementsAre(257));  // no merge makes it
  EXPECT_THAT(tokenizer->Encode("abcd"), ElementsAre(256, 'c', 'd'));
  EXPECT_EQ(tokenizer->bos(), std::nullopt);
  EXPECT_FALSE(tokenizer->add_bos());
  EXPECT_THAT(tokenizer->stop_tokens(), IsEmpty());
}

TEST(TokenizerTest, TakesTheLongestSpecialToken) {
  const TestVocabulary vocabulary = {{"<a>", "<a><b>", "user text"}, 4, {}};
  const auto tokenizer = vocabulary.Create().value();
  EXPECT_THAT(tokenizer->Encode("<a><b><a>", true), ElementsAre(257, 256));
  EXPECT_THAT(tokenizer->Encode("user text", true), ElementsAre(258));
  EXPECT_THAT(tokenizer->Encode("<a>"), ElementsAre(256));  // user-defined tokens are text
  EXPECT_FALSE(tokenizer->IsControl(256));                  // user-defined tokens are shown
}

TEST(TokenizerTest, RefusesKindsItDoesNotKnow) {
  const absl::Status model = TestVocabulary{{}, 1, {}, "bert"}.Create().status();
  EXPECT_TRUE(absl::IsFailedPrecondition(model)) << model;
  EXPECT_THAT(model.message(), HasSubstr("found bert, this build reads gpt2 and llama"));
  const absl::Status pre = TestVocabulary{{}, 1, {}, "gpt2", "tekken"}.Create().status();
  EXPECT_TRUE(absl::IsFailedPrecondition(pre)) << pre;
  EXPECT_THAT(pre.message(), HasSubstr("found tekken, this build reads llama-bpe"));
  const auto empty = GgufFile::Parse(GgufBytes().Header(0, 0).span(), "v.gguf");
  EXPECT_TRUE(absl::IsNotFound(ReadVocabulary(**empty).status()));
}

TEST(TokenizerTest, RefusesDamagedTables) {
  const std::pair<TestVocabulary, const char*> cases[] = {
      {{{"a"}, 1, {}}, "token 256: \"a\" occurs twice"},
      {{{"<x>", "<x>"}, 3, {}}, "token 257: \"<x>\" occurs twice"},
      {{{""}, 1, {}}, "token 256: found \"\", want letters"},
      {{{"two words"}, 1, {}}, "token 256: found \"two words\", want letters"},
      {{{"\xff"}, 1, {}}, "want letters of the byte-level alphabet"},
      {{{"x"}, 7, {}}, "token_type: found 7 for token 256, want 1 to 6"},
      {{{}, 1, {"a b"}}, "merges: found \"a b\", want two tokens that make a third"},
      {{{"ab"}, 1, {"ab"}}, "merges: found \"ab\""},
      {{{"ab"}, 1, {" ab"}}, "merges: found \" ab\""},
      {{{"ab"}, 1, {"ab "}}, "merges: found \"ab \""},
      {{{"ab"}, 1, {"a b c"}}, "merges: found \"a b c\""},
  };
  for (const auto& [vocabulary, error] : cases) {
    const absl::Status status = vocabulary.Create().status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_THAT(status.message(), HasSubstr(error));
  }
}

TEST(ByteAlphabetTest, IsABijection) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all.push_back(static_cast<char>(byte));
  EXPECT_EQ(LettersToBytes(BytesToLetters(all)), all);
  EXPECT_EQ(BytesToLetters(" a\n"),
            "\xc4\xa0"
            "a"
            "\xc4\x8a");  // U+0120, a, U+010A
  EXPECT_EQ(LettersToBytes(" "), std::nullopt);
  EXPECT_EQ(LettersToBytes("\xe4\xb8\xad"), std::nullopt);
}

// Pushes the bytes of `text` as single-byte tokens.
std::vector<std::string> PushBytes(StreamingDecoder& decoder, absl::string_view text) {
  std::vector<std::string> out;
  for (const char byte : text) {
    out.push_back(decoder.Push(Sample().Encode(std::string(1, byte))[0]));
  }
  return out;
}

TEST(StreamingDecoderTest, HoldsBackHalfACharacter) {
  StreamingDecoder decoder(Sample());
  EXPECT_THAT(PushBytes(decoder,
                        "a\xf0\x9f\x98\x80"
                        "b"),
              ElementsAre("a", "", "", "", "\xf0\x9f\x98\x80", "b"));
  EXPECT_EQ(decoder.Finish(), "");
}

TEST(StreamingDecoderTest, ReplacesEachMaximalIllFormedPart) {
  StreamingDecoder decoder(Sample());
  EXPECT_THAT(PushBytes(decoder, "\x80\xe2\x82z\xed\xa0\x80"),
              ElementsAre("\ufffd", "", "", "\ufffdz", "", "\ufffd\ufffd", "\ufffd"));
  EXPECT_EQ(decoder.Finish(), "");
}

TEST(StreamingDecoderTest, FinishReplacesWhatIsHeld) {
  StreamingDecoder decoder(Sample());
  PushBytes(decoder, "\xf0\x9f\x98");
  EXPECT_EQ(decoder.Finish(), "\ufffd");
  EXPECT_EQ(decoder.Finish(), "");
  EXPECT_THAT(PushBytes(decoder, "a"), ElementsAre("a"));
}

TEST(StreamingDecoderTest, ControlTokensGiveNothing) {
  StreamingDecoder decoder(Sample());
  PushBytes(decoder, "\xc3");
  EXPECT_EQ(decoder.Push(4095), "");
  EXPECT_EQ(decoder.Push(-1), "");
  EXPECT_THAT(PushBytes(decoder, "\xa9"), ElementsAre("\u00e9"));
}

}  // namespace
}  // namespace tern
