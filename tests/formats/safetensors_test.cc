// SPDX-License-Identifier: MIT
#include "formats/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "absl/strings/str_cat.h"

namespace tern {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string File(const std::string& header, size_t data_bytes) {
  const uint64_t length = header.size();
  std::string bytes(reinterpret_cast<const char*>(&length), sizeof(length));
  return bytes + header + std::string(data_bytes, '\1');
}

absl::StatusOr<std::unique_ptr<SafetensorsFile>> Parse(const std::string& bytes) {
  return SafetensorsFile::Parse({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()},
                                "t.safetensors");
}

constexpr char kTwo[] =
    R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
    R"("b":{"dtype":"U8","shape":[4],"data_offsets":[24,28]}})";

TEST(SafetensorsTest, ReadsTensors) {
  const std::string bytes = File(kTwo, 28);
  const auto file = Parse(bytes).value();
  ASSERT_EQ(file->tensors().size(), 2u);
  const Safetensor& a = file->tensors()[0];
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(a.dtype, "F32");
  EXPECT_THAT(a.shape, ElementsAre(2, 3));
  EXPECT_EQ(a.data.size(), 24u);
  EXPECT_EQ(file->tensors()[1].data.size(), 4u);
}

TEST(SafetensorsTest, RefusesWhatCannotBe) {
  const auto one = [](const std::string& entry) { return File("{\"t\":" + entry + "}", 64); };
  const std::pair<std::string, const char*> cases[] = {
      {"", "found 0 bytes, want 8"},
      {std::string("\xff\xff\xff\xff\xff\xff\xff\xff", 8) + "{}",
       "found a header of 18446744073709551615 bytes, want at most 2"},
      {File("{", 0), "it is not JSON"},
      {File("[]", 0), "want an object"},
      {File(std::string(1000, '['), 0), "nested more than 64 deep"},
      {one("3"), "tensor t: want dtype, shape and two data_offsets"},
      {one(R"({"dtype":"F32","shape":[1],"data_offsets":[0]})"), "want dtype, shape"},
      {one(R"({"dtype":"F4","shape":[1],"data_offsets":[0,4]})"), "found dtype F4"},
      {one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,4]})"), "found 4 bytes, want 8"},
      {one(R"({"dtype":"F32","shape":[-1],"data_offsets":[0,4]})"), "not of whole numbers"},
      {one(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]})"),
       "more than 2^64 bytes"},
      {one(R"({"dtype":"U8","shape":[65],"data_offsets":[0,65]})"), "want within 64 bytes"},
      {one(R"({"dtype":"U8","shape":[1],"data_offsets":[3,2]})"), "data_offsets: found [3,2]"},
      {one(R"({"dtype":"U8","shape":[0],"data_offsets":[18446744073709551615,0]})"),
       "data_offsets: found"},
      {File(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
            R"("b":{"dtype":"U8","shape":[4],"data_offsets":[3,7]}})",
            8),
       "tensors a and b overlap"},
  };
  for (const auto& [bytes, error] : cases) {
    const absl::Status status = Parse(bytes).status();
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(status.message(), HasSubstr(error));
    EXPECT_THAT(status.message(), HasSubstr("t.safetensors"));
  }
}

TEST(SafetensorsTest, SurvivesEveryCutAndFlip) {
  const std::string whole = File(kTwo, 28);
  for (size_t i = 0; i < whole.size(); ++i) {
    EXPECT_FALSE(Parse(whole.substr(0, i)).ok()) << i;
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = whole;
      flipped[i] = static_cast<char>(flipped[i] ^ (1 << bit));
      const auto file = Parse(flipped);
      if (!file.ok()) continue;
      for (const Safetensor& tensor : (*file)->tensors()) {
        EXPECT_LE(tensor.data.size(), flipped.size());
      }
    }
  }
}

class SafetensorsSetTest : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directory(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void Write(const std::string& name, const std::string& bytes) const {
    std::ofstream(folder_ + "/" + name, std::ios::binary) << bytes;
  }
  std::string Shard(const std::string& tensor) const {
    return File("{\"" + tensor + R"(":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 4);
  }

  const std::string folder_ = absl::StrCat(::testing::TempDir(), "set_", getpid());
};

TEST_F(SafetensorsSetTest, ReadsShards) {
  Write("one.safetensors", Shard("a"));
  Write("two.safetensors", Shard("b"));
  Write("model.safetensors.index.json",
        R"({"weight_map":{"a":"one.safetensors","b":"two.safetensors"}})");
  const auto set = SafetensorsSet::Open(folder_).value();
  EXPECT_NE(set->Find("a"), nullptr);
  EXPECT_NE(set->Find("b"), nullptr);
  EXPECT_EQ(set->Find("c"), nullptr);
  EXPECT_EQ(set->bytes(), 8u);
}

TEST_F(SafetensorsSetTest, RefusesAnIndexThatLies) {
  EXPECT_TRUE(absl::IsNotFound(SafetensorsSet::Open(folder_).status()));
  Write("one.safetensors", Shard("a"));
  const std::pair<const char*, const char*> cases[] = {
      {R"({"weight_map":{"a":"two.safetensors"}})", "two.safetensors"},
      {R"({"weight_map":{"b":"one.safetensors"}})", "tensor b is not in one.safetensors"},
      {R"({"weight_map":{"a":"../one.safetensors"}})",
       "want the name of a file in the same folder"},
      {R"({"weight_map":{"a":".."}})", "want the name of a file"},
      {R"({"weight_map":{"a":7}})", "want the name of a file"},
      {R"({"weight_map":[]})", "want an object weight_map"},
      {R"({)", "it is not JSON"},
  };
  for (const auto& [index, error] : cases) {
    Write("model.safetensors.index.json", index);
    EXPECT_THAT(SafetensorsSet::Open(folder_).status().message(), HasSubstr(error));
  }
}

}  // namespace
}  // namespace tern
