// SPDX-License-Identifier: MIT
#include "text/utf8.h"

#include <gtest/gtest.h>

namespace tern {
namespace {

struct Case {
  const char* name;
  std::string text;
  Utf8Kind kind;
  size_t bytes;
};

std::vector<Case> Cases() {
  constexpr auto kCharacter = Utf8Kind::kCharacter;
  constexpr auto kIllFormed = Utf8Kind::kIllFormed;
  constexpr auto kCutShort = Utf8Kind::kCutShort;
  return {
      {"Nul", std::string(1, '\0'), kCharacter, 1},
      {"Ascii", "a\x80", kCharacter, 1},
      {"TwoBytes", "\xc3\xa9x", kCharacter, 2},
      {"ThreeBytes", "\xe2\x82\xac", kCharacter, 3},
      {"FourBytes", "\xf0\x9f\x98\x80", kCharacter, 4},
      {"Last", "\xf4\x8f\xbf\xbf", kCharacter, 4},
      {"Continuation", "\x80", kIllFormed, 1},
      {"OverlongLead", "\xc0\x80", kIllFormed, 1},
      {"Overlong3", "\xe0\x80\x80", kIllFormed, 1},
      {"Overlong4", "\xf0\x80\x80\x80", kIllFormed, 1},
      {"Surrogate", "\xed\xa0\x80", kIllFormed, 1},
      {"PastTheLast", "\xf4\x90\x80\x80", kIllFormed, 1},
      {"NoSuchLead", "\xf5\x80\x80\x80", kIllFormed, 1},
      {"FF", "\xff", kIllFormed, 1},
      {"BrokenTwo", "\xc3x", kIllFormed, 1},
      {"BrokenThree", "\xe2\x82x", kIllFormed, 2},
      {"BrokenFour", "\xf0\x9f\x98x", kIllFormed, 3},
      {"CutTwo", "\xc3", kCutShort, 1},
      {"CutThree", "\xe2\x82", kCutShort, 2},
      {"CutFour", "\xf0\x9f\x98", kCutShort, 3},
  };
}

class Utf8Test : public ::testing::TestWithParam<Case> {};

TEST_P(Utf8Test, FindsTheFirstPart) {
  const Utf8Part part = NextUtf8(GetParam().text);
  EXPECT_EQ(part.kind, GetParam().kind);
  EXPECT_EQ(part.bytes, GetParam().bytes);
}

INSTANTIATE_TEST_SUITE_P(All, Utf8Test, ::testing::ValuesIn(Cases()),
                         [](const auto& test) { return test.param.name; });

TEST(Utf8CodesTest, DecodesAndAppends) {
  EXPECT_EQ(DecodeUtf8("a"), U'a');
  EXPECT_EQ(DecodeUtf8("\xc3\xa9"), U'\u00e9');
  EXPECT_EQ(DecodeUtf8("\xe2\x82\xac"), U'\u20ac');
  EXPECT_EQ(DecodeUtf8("\xf0\x9f\x98\x80"), U'\U0001f600');
  for (char32_t code = 0; code < 0x800; ++code) {
    std::string text;
    AppendUtf8(code, text);
    ASSERT_EQ(NextUtf8(text).bytes, text.size());
    ASSERT_EQ(DecodeUtf8(text), code);
  }
}

}  // namespace
}  // namespace tern
