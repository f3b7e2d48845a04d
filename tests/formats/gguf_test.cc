// SPDX-License-Identifier: MIT
// The GGUF reader on well-formed files and on every kind of damage that it promises to name.
#include "formats/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <limits>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "kernels/i2s.h"
#include "tests/formats/gguf_bytes.h"

namespace tern {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr uint32_t kUint32 = 4, kFloat32 = 6, kBool = 7, kString = 8, kArray = 9;
constexpr uint32_t kF32 = 0, kI2S = 36;

absl::StatusOr<std::unique_ptr<GgufFile>> Parse(const GgufBytes& bytes) {
  return GgufFile::Parse(bytes.span(), "test.gguf");
}

std::unique_ptr<GgufFile> MustParse(const GgufBytes& bytes) {
  absl::StatusOr<std::unique_ptr<GgufFile>> file = Parse(bytes);
  EXPECT_TRUE(file.ok()) << file.status();
  return file.ok() ? *std::move(file) : nullptr;
}

// Keys of every kind and two tensors.
GgufBytes WholeFile() {
  GgufBytes bytes;
  bytes.Header(2, 15);
  bytes.Key("u8", 0).Number<uint8_t>(200);
  bytes.Key("i8", 1).Number<int8_t>(-100);
  bytes.Key("u16", 2).Number<uint16_t>(60000);
  bytes.Key("i16", 3).Number<int16_t>(-30000);
  bytes.Key("u32", 4).Number<uint32_t>(4000000000);
  bytes.Key("i32", 5).Number<int32_t>(-2000000000);
  bytes.Key("f32", 6).Number<float>(1.5f);
  bytes.Key("bool", 7).Number<uint8_t>(1);
  bytes.Key("string", 8).String("a \"b\"\n");
  bytes.Key("u64", 10).Number<uint64_t>(std::numeric_limits<uint64_t>::max());
  bytes.Key("i64", 11).Number<int64_t>(std::numeric_limits<int64_t>::min());
  bytes.Key("f64", 12).Number<double>(0.1);
  bytes.Key("strings", kArray).Number(kString).Number<uint64_t>(2).String("x").String("");
  bytes.Key("bools", kArray).Number(kBool).Number<uint64_t>(2).Raw(absl::string_view("\1\0", 2));
  bytes.Key("ints", kArray).Number(kUint32).Number<uint64_t>(2).Number<uint32_t>(7).Number(9u);
  bytes.Tensor("norm", {4}, kF32, 0).Tensor("weight", {128, 2}, kI2S, 32);
  bytes.Data(32 + 64 + 32);
  return bytes;
}

TEST(GgufTest, ReadsEveryKindOfValue) {
  const GgufBytes bytes = WholeFile();
  const auto file = MustParse(bytes);
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(file->version(), 3u);
  EXPECT_EQ(file->file_bytes(), bytes.str().size());
  EXPECT_EQ(*file->Unsigned("u8"), 200u);
  EXPECT_EQ(*file->Unsigned("u16"), 60000u);
  EXPECT_EQ(*file->Unsigned("u32"), 4000000000u);
  EXPECT_EQ(*file->Unsigned("u64"), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(*file->Float("i8"), -100);
  EXPECT_EQ(*file->Float("i16"), -30000);
  EXPECT_EQ(*file->Float("i32"), -2e9);
  EXPECT_EQ(*file->Float("f32"), 1.5);
  EXPECT_EQ(*file->Float("f64"), 0.1);
  EXPECT_EQ(*file->Bool("bool"), true);
  EXPECT_EQ(*file->String("string"), "a \"b\"\n");
  EXPECT_THAT(**file->Strings("strings"), ElementsAre("x", ""));
  EXPECT_THAT(*file->Integers("ints"), ElementsAre(7, 9));
  EXPECT_TRUE(file->Has("bools"));
  EXPECT_FALSE(file->Has("nothing"));
}

TEST(GgufTest, ForgetsKeys) {
  const GgufBytes bytes = WholeFile();
  const auto file = MustParse(bytes);
  ASSERT_NE(file, nullptr);
  file->Forget("string");
  EXPECT_FALSE(file->Has("string"));
  EXPECT_FALSE(file->Has("strings"));
  EXPECT_EQ(*file->Unsigned("u8"), 200u);
  EXPECT_THAT(*file->Integers("ints"), ElementsAre(7, 9));  // behind them
  EXPECT_EQ(file->metadata().size(), 13u);
}

TEST(GgufTest, PrintsValues) {
  const GgufBytes bytes = WholeFile();
  const auto file = MustParse(bytes);
  ASSERT_NE(file, nullptr);
  std::vector<std::string> texts;
  for (const auto& [key, value] : file->metadata()) texts.push_back(value.ToString());
  EXPECT_THAT(texts,
              ElementsAre("200", "-100", "60000", "-30000", "4000000000", "-2000000000", "1.5",
                          "true", R"("a \"b\"\n")", "18446744073709551615", "-9223372036854775808",
                          "0.1", "[2 strings]", "[2 booleans]", "[2 unsigned integers]"));
}

TEST(GgufTest, ViewsTensorsInPlace) {
  const GgufBytes bytes = WholeFile();
  const auto file = MustParse(bytes);
  ASSERT_NE(file, nullptr);
  ASSERT_EQ(file->tensors().size(), 2u);
  const TensorView norm = file->Find("norm").value();
  const TensorView weight = file->Find("weight").value();
  EXPECT_EQ(norm.info.bytes, 16u);
  EXPECT_EQ(norm.data.size(), 16u);
  EXPECT_EQ(weight.info.type, TensorType::kI2S);
  EXPECT_EQ(weight.info.cols(), 128u);
  EXPECT_EQ(weight.info.rows(), 2u);
  EXPECT_EQ(weight.data.data() - norm.data.data(), 32);
  EXPECT_EQ(weight.data.data() + weight.data.size(), bytes.span().data() + bytes.span().size());
  EXPECT_TRUE(absl::IsNotFound(file->Find("other").status()));
}

TEST(GgufTest, RefusesValuesOfAnotherKind) {
  const GgufBytes bytes = WholeFile();
  const auto file = MustParse(bytes);
  ASSERT_NE(file, nullptr);
  EXPECT_TRUE(absl::IsNotFound(file->Unsigned("nothing").status()));
  EXPECT_EQ(file->Unsigned("i8").status().message(),
            "test.gguf: i8: found -100, want a whole number that is not negative");
  EXPECT_TRUE(absl::IsDataLoss(file->Unsigned("f32").status()));
  EXPECT_TRUE(absl::IsDataLoss(file->Float("u64").status()));  // not exact in a double
  EXPECT_TRUE(absl::IsDataLoss(file->Float("i64").status()));
  EXPECT_TRUE(absl::IsDataLoss(file->Bool("u8").status()));
  EXPECT_TRUE(absl::IsDataLoss(file->String("u8").status()));
  EXPECT_TRUE(absl::IsDataLoss(file->Strings("ints").status()));
  EXPECT_TRUE(absl::IsDataLoss(file->Integers("strings").status()));
}

TEST(GgufTest, ReadsVersionTwo) {
  EXPECT_EQ(MustParse(GgufBytes().Header(0, 0, 2))->version(), 2u);
}

TEST(GgufTest, RefusesOtherVersions) {
  for (const uint32_t version : {0u, 1u, 4u}) {
    const absl::Status status = Parse(GgufBytes().Header(0, 0, version)).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(status.message(), HasSubstr(absl::StrCat("found ", version, ", want 2 or 3")));
  }
  const absl::Status big_endian = Parse(GgufBytes().Header(0, 0, 0x03000000)).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(big_endian)) << big_endian;
  EXPECT_THAT(big_endian.message(), HasSubstr("big-endian"));
}

TEST(GgufTest, RefusesWhatIsNoGguf) {
  EXPECT_TRUE(absl::IsDataLoss(Parse(GgufBytes()).status()));
  const absl::Status status = Parse(GgufBytes().Raw("PK\3\4 and a lot of other bytes")).status();
  EXPECT_EQ(status.message(), "test.gguf: not a GGUF file: it does not start with GGUF");
  EXPECT_TRUE(absl::IsNotFound(GgufFile::Open("/no such folder/x.gguf").status()));
}

TEST(GgufTest, RefusesEveryTruncation) {
  const GgufBytes whole = WholeFile();
  for (size_t length = 0; length < whole.str().size(); ++length) {
    GgufBytes cut;
    cut.Raw(absl::string_view(whole.str()).substr(0, length));
    EXPECT_TRUE(absl::IsDataLoss(Parse(cut).status())) << length << " bytes";
  }
}

// Any single wrong bit is refused, or leaves a file whose tensors still lie inside it.
TEST(GgufTest, SurvivesEveryBitFlip) {
  std::string bytes = WholeFile().str();
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= 1 << bit % 8;
    const GgufBytes flipped = GgufBytes().Raw(bytes);
    if (const auto file = Parse(flipped); file.ok()) {
      for (const TensorInfo& info : (*file)->tensors()) {
        const absl::StatusOr<TensorView> found = (*file)->Find(info.name);
        if (!found.ok()) {
          EXPECT_TRUE(absl::IsFailedPrecondition(found.status())) << found.status();
          continue;
        }
        const TensorView& view = *found;
        EXPECT_GE(view.data.data(), flipped.span().data());
        EXPECT_LE(view.data.data() + view.data.size(),
                  flipped.span().data() + flipped.span().size());
      }
    } else {
      EXPECT_FALSE(file.status().message().empty());
    }
    bytes[bit / 8] ^= 1 << bit % 8;
  }
}

struct Damage {
  const char* name;
  GgufBytes bytes;
  const char* error;  // a part of the message
};

std::vector<Damage> Damages() {
  constexpr uint64_t kHuge = std::numeric_limits<uint64_t>::max();
  const auto one_key = [] { return GgufBytes().Header(0, 1); };
  const auto one_tensor = [](const std::vector<uint64_t>& shape, uint32_t type, uint64_t offset) {
    return GgufBytes().Header(1, 0).Tensor("t", shape, type, offset).Data(256);
  };
  const auto alignment = [&](uint32_t value) {
    return one_key().Key("general.alignment", kUint32).Number(value);
  };
  return {
      {"TensorCount", GgufBytes().Header(kHuge, 0), "tensor count: found 18446744073709551615"},
      {"KeyCount", GgufBytes().Header(0, kHuge / 2), "metadata count: found 9223372036854775807"},
      {"KeyLength", one_key().Number(kHuge).Data(64), "found a string of 18446744073709551615"},
      {"KeyTooLong", one_key().String(std::string(70000, 'k')).Data(64), "want at most 65535"},
      {"ValueType", one_key().Key("k", 13).Data(64), "k: found value type 13, want 0 to 12"},
      {"Boolean", one_key().Key("k", kBool).Number<uint8_t>(2), "found boolean 2, want 0 or 1"},
      {"StringLength", one_key().Key("k", kString).Number(kHuge - 7).Data(64), "found a string of"},
      {"StringPastEnd", one_key().Key("k", kString).Number<uint64_t>(10).Raw("short"),
       "k: found 5 bytes, want 10, at byte 45"},
      {"ArrayCount", one_key().Key("k", kArray).Number(kUint32).Number(kHuge).Data(64),
       "want at most 16777216"},
      {"ArrayPastEnd",
       one_key().Key("k", kArray).Number(kUint32).Number<uint64_t>(1 << 20).Data(64),
       "want 1048576 elements of 4"},
      {"StringsPastEnd",
       one_key().Key("k", kArray).Number(kString).Number<uint64_t>(1 << 20).Data(64),
       "want 1048576 strings"},
      {"NestedArray", one_key().Key("k", kArray).Number(kArray).Number<uint64_t>(1).Data(64),
       "an array of arrays"},
      {"DuplicateKey", GgufBytes().Header(0, 2).Key("k", kBool).Raw("\1").Key("k", kBool).Raw("\1"),
       "metadata key k occurs twice"},
      {"AlignmentZero", alignment(0), "general.alignment: found 0, want a power of two"},
      {"AlignmentOdd", alignment(48), "general.alignment: found 48, want a power of two"},
      {"AlignmentSmall", alignment(4), "general.alignment: found 4"},
      {"AlignmentHuge", alignment(1u << 31), "general.alignment: found 2147483648"},
      {"AlignmentKind", one_key().Key("general.alignment", kFloat32).Number(32.0f),
       "general.alignment: found 32, want a whole number"},
      {"NoDimensions", one_tensor({}, kF32, 0), "tensor t: found 0 dimensions, want 1 to 4"},
      {"FiveDimensions", one_tensor({1, 1, 1, 1, 1}, kF32, 0), "found 5 dimensions"},
      {"EmptyDimension", one_tensor({4, 0}, kF32, 0), "tensor t: a dimension is 0"},
      {"ElementsOverflow", one_tensor({1ull << 32, 1ull << 32}, kF32, 0),
       "more than 2^63 elements"},
      {"BytesOverflow", one_tensor({1ull << 62}, kF32, 0), "more than 2^63 bytes"},
      {"I2SElements", one_tensor({64, 3}, kI2S, 0),
       "I2_S elements: found 192, want a multiple of 128"},
      {"PastEnd", one_tensor({65}, kF32, 0), "found 260 bytes at offset 0, want within 256 bytes"},
      {"OffsetPastEnd", one_tensor({1}, kF32, 288), "found 4 bytes at offset 288, want within 256"},
      {"OffsetOverflow", one_tensor({1}, kF32, kHuge - 31), "found 4 bytes at offset 184467440737"},
      {"OffsetMisaligned", one_tensor({1}, kF32, 4), "found offset 4, want a multiple of 32"},
      {"Overlap",
       GgufBytes().Header(2, 0).Tensor("a", {16}, kF32, 0).Tensor("b", {8}, kF32, 32).Data(256),
       "tensor b: found offset 32, want at least 64, where another tensor ends"},
      {"SamePlace",
       GgufBytes().Header(2, 0).Tensor("a", {8}, kF32, 0).Tensor("b", {8}, kF32, 0).Data(256),
       "want at least 32"},
      {"DuplicateTensor",
       GgufBytes().Header(2, 0).Tensor("a", {8}, kF32, 0).Tensor("a", {8}, kF32, 32).Data(256),
       "tensor a occurs twice"},
      {"TensorNameTooLong",
       GgufBytes().Header(1, 0).Tensor(std::string(257, 'n'), {1}, kF32, 0).Data(64),
       "tensor name: found a string of 257 bytes, want at most 256"},
  };
}

class GgufDamageTest : public ::testing::TestWithParam<Damage> {};

TEST_P(GgufDamageTest, IsDataLossAndNamed) {
  const absl::Status status = Parse(GetParam().bytes).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr(GetParam().error));
  EXPECT_THAT(status.message(), HasSubstr("test.gguf: "));
}

INSTANTIATE_TEST_SUITE_P(All, GgufDamageTest, ::testing::ValuesIn(Damages()),
                         [](const auto& test) { return test.param.name; });

// The rest of the file can be read.
TEST(GgufTest, ListsTensorTypesItDoesNotReadWithTheReason) {
  const std::pair<uint32_t, const char*> cases[] = {
      {12, "found tensor type Q4_K (12), which this build does not read"},
      {38, "found tensor type TL1 (38), which this build does not read: its bytes depend on tile "},
      {39, "found tensor type TL2 (39)"},
      {335, "found tensor type IQ2_BN_R4 (335), which this build does not read: a layout that ik_"},
      {77, "found tensor type 77, which"},
  };
  for (const auto& [type, reason] : cases) {
    const GgufBytes bytes =
        GgufBytes().Header(2, 0).Tensor("t", {256}, type, 0).Tensor("u", {4}, kF32, 256).Data(288);
    const auto file = Parse(bytes).value();
    EXPECT_EQ(file->tensors().size(), 2u);
    EXPECT_TRUE(file->Find("u").ok());
    EXPECT_EQ(file->unreadable(1), "");
    const absl::Status status = file->Find("t").status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(status.message(), HasSubstr(reason));
  }
}

// Types that share a number are told apart by the space they take.
TEST(GgufTest, TellsTypesOfOneNumberApart) {
  const auto types = [](uint32_t type, uint64_t cols, uint64_t space, uint64_t last) {
    const GgufBytes bytes = GgufBytes()
                                .Header(2, 0)
                                .Tensor("t", {cols, 2}, type, 0)
                                .Tensor("u", {cols, 2}, type, space)
                                .Data(space + last);
    return Parse(bytes).value();
  };
  // 1024 x 2 weights: 576 bytes in groups of 64, 544 in groups of 128.
  EXPECT_EQ(types(42, 1024, 576, 576)->tensors()[0].type, TensorType::kQ2_0);
  const auto legacy = types(42, 1024, 544, 544);
  EXPECT_EQ(legacy->tensors()[0].type, TensorType::kPQ2_0);
  EXPECT_EQ(legacy->tensors()[1].bytes, 544u);
  EXPECT_EQ(types(36, 1024, 544, 544)->tensors()[0].type, TensorType::kI2S);
  EXPECT_EQ(types(36, 1024, 1152, 1152)->unreadable(0),
            "found tensor type IQ4_NL_4_4 (36), which this build does not read");
  EXPECT_EQ(types(39, 1024, 1088, 1088)->unreadable(0),
            "found tensor type MXFP4 (39), which this build does not read");
}

// A header that promises more than a gigabyte of zeros can hold costs nothing.
TEST(GgufTest, RefusesHugeCountsAtOnce) {
  const std::string path = absl::StrCat(::testing::TempDir(), "huge_", getpid(), ".gguf");
  {
    std::ofstream out(path, std::ios::binary);
    const uint32_t head[] = {0x46554747, 3};
    const uint64_t counts[] = {uint64_t{1} << 60, 0};
    out.write(reinterpret_cast<const char*>(head), sizeof(head));
    out.write(reinterpret_cast<const char*>(counts), sizeof(counts));
  }
  ASSERT_EQ(truncate(path.c_str(), 1 << 30), 0);  // sparse
  const absl::Status status = GgufFile::Open(path).status();
  unlink(path.c_str());
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("tensor count: found 1152921504606846976, but only"));
}

TEST(GgufTest, HonoursAlignment) {
  GgufBytes bytes;
  bytes.Header(2, 1).Key("general.alignment", kUint32).Number(256u);
  bytes.Tensor("a", {1}, kF32, 0).Tensor("b", {1}, kF32, 256).Data(256 + 4, 256);
  const auto file = MustParse(bytes);
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(file->Find("b")->data.data() - file->Find("a")->data.data(), 256);
}

// The bytes of the hex dump in docs/formats.md.
std::string WorkedExample() {
  std::ifstream page(TERN_DOCS "/formats.md");
  std::string bytes;
  for (std::string line; std::getline(page, line);) {
    if (!absl::StartsWith(line, "    000000")) continue;
    const std::string hex = absl::StrReplaceAll(line.substr(14, 3 * 16 - 1), {{" ", ""}});
    bytes += absl::HexStringToBytes(hex);
  }
  return bytes;
}

TEST(GgufTest, ReadsTheWorkedExampleOfTheDocumentation) {
  GgufBytes bytes;
  bytes.Raw(WorkedExample());
  ASSERT_EQ(bytes.str().size(), 192u);
  const auto file = MustParse(bytes);
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(*file->String("general.architecture"), "bitnet-b1.58");
  const TensorView view = file->Find("t").value();
  EXPECT_THAT(view.info.shape, ElementsAre(128, 1));
  std::vector<int8_t> trits(128);
  ASSERT_TRUE(UnpackI2S(view.data.first(32), trits).ok());
  std::string text;
  for (const int8_t trit : trits) text += trit < 0 ? '-' : trit > 0 ? '+' : '0';
  EXPECT_EQ(text,
            "+0-00+----0+--++----+0+----+0++++0++00--++--0+-++--+0+-0-0+0000-"
            "0--++000+-0-000-+-0-0000-+++--00+-+0-----++++00-+0-0000-+++-+-0+");
  float scale = 0;
  std::memcpy(&scale, view.data.data() + 32, sizeof(scale));
  EXPECT_EQ(scale, 1.5f);
}

// Names with terminal escapes in them do not reach the terminal as such.
TEST(GgufTest, EscapesNamesInErrors) {
  const absl::Status status =
      Parse(GgufBytes().Header(1, 0).Tensor("\x1b[2J", {64, 3}, kI2S, 0).Data(256)).status();
  EXPECT_THAT(status.message(), HasSubstr("\\033[2J"));
}

}  // namespace
}  // namespace tern
