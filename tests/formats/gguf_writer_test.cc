// SPDX-License-Identifier: MIT
#include "formats/gguf_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <limits>
#include <numeric>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace tern {
namespace {

using Metadata = std::vector<std::pair<std::string, GgufValue>>;

// A folder of its own, removed with all it holds.
class GgufWriterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = absl::StrCat(::testing::TempDir(), "/gguf_writer_XXXXXX");
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Path() const { return (folder_ / "out.gguf").string(); }
  size_t FileCount() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
  }

 private:
  std::filesystem::path folder_;
};

template <typename T>
GgufValue Value(T value) {
  GgufValue held;
  held.value.emplace<T>(std::move(value));
  return held;
}

template <typename T>
GgufValue Array(std::vector<T> values) {
  GgufValue held;
  held.value.emplace<GgufArray>(std::move(values));
  return held;
}

TensorInfo Tensor(std::string name, TensorType type, std::vector<uint64_t> shape) {
  return {std::move(name), type, std::move(shape), 0};
}

TEST_F(GgufWriterTest, WhatItWritesIsReadBack) {
  const Metadata metadata = {
      {"bool", Value(true)},
      {"small", Value<uint64_t>(7)},
      {"large", Value(std::numeric_limits<uint64_t>::max())},
      {"negative", Value<int64_t>(-7)},
      {"low", Value(std::numeric_limits<int64_t>::min())},
      {"short", Value(0.5)},
      {"long", Value(0.1)},
      {"text", Value<std::string>("gpt2")},
      {"texts", Array<std::string>({"a", "", std::string("\0b", 2)})},
      {"bools", Array<bool>({true, false})},
      {"mixed", Array<int64_t>({-1, int64_t{1} << 40})},
      {"none", Array<double>({})},
  };
  std::vector<uint8_t> first(5 * 4), second(64 + 32);
  std::iota(first.begin(), first.end(), 1);
  std::iota(second.begin(), second.end(), 100);
  {
    auto writer = GgufWriter::Create(Path(), metadata,
                                     {Tensor("first", TensorType::kF32, {5}),
                                      Tensor("second", TensorType::kI2S, {128, 2})})
                      .value();
    ASSERT_TRUE(writer->Append(first).ok());
    ASSERT_TRUE(writer->Append(std::span(second).first(10)).ok());  // in pieces
    ASSERT_TRUE(writer->Append(std::span(second).subspan(10)).ok());
    EXPECT_FALSE(std::filesystem::exists(Path()));  // not before it is complete
    ASSERT_TRUE(writer->Finish().ok());
    EXPECT_EQ(writer->total_bytes(), std::filesystem::file_size(Path()));
  }
  EXPECT_EQ(FileCount(), 1u);
  const auto file = GgufFile::Open(Path()).value();
  ASSERT_EQ(file->metadata().size(), metadata.size());
  for (size_t i = 0; i < metadata.size(); ++i) {
    EXPECT_EQ(file->metadata()[i].first, metadata[i].first);
    EXPECT_EQ(file->metadata()[i].second.value, metadata[i].second.value) << metadata[i].first;
  }
  EXPECT_THAT(file->Find("first")->data, ::testing::ElementsAreArray(first));
  EXPECT_THAT(file->Find("second")->data, ::testing::ElementsAreArray(second));
}

TEST_F(GgufWriterTest, LeavesNothingOfAnUnfinishedFile) {
  {
    auto writer = GgufWriter::Create(Path(), {}, {Tensor("t", TensorType::kF32, {1000})}).value();
    ASSERT_TRUE(writer->Append(std::vector<uint8_t>(100)).ok());
    EXPECT_EQ(FileCount(), 1u);
  }
  EXPECT_EQ(FileCount(), 0u);
}

TEST_F(GgufWriterTest, RefusesTensorsThatCannotBe) {
  const auto status = [&](TensorType type, std::vector<uint64_t> shape) {
    return GgufWriter::Create(Path(), {}, {Tensor("t", type, std::move(shape))}).status();
  };
  EXPECT_TRUE(absl::IsInvalidArgument(status(TensorType::kI2S, {100})));
  EXPECT_TRUE(absl::IsInvalidArgument(status(TensorType::kF32, {})));
  EXPECT_TRUE(absl::IsInvalidArgument(status(TensorType::kF32, {4, 0})));
  const Metadata aligned = {{"general.alignment", Value<uint64_t>(64)}};
  EXPECT_TRUE(absl::IsInvalidArgument(GgufWriter::Create(Path(), aligned, {}).status()));
  EXPECT_EQ(FileCount(), 0u);
}

TEST_F(GgufWriterTest, SaysWhenThereIsNoRoomAtAll) {
  const absl::Status status =
      GgufWriter::Create(Path(), {}, {Tensor("t", TensorType::kF32, {uint64_t{1} << 59})}).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(status.message(), ::testing::HasSubstr("bytes free on its file system, want 230584"));
  EXPECT_EQ(FileCount(), 0u);
}

TEST_F(GgufWriterTest, SaysWhenTheFileCannotGrow) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
  const absl::Cleanup restore = [&] {
    setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, handler);
  };
  const rlimit tight{4096, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);

  auto writer = GgufWriter::Create(Path(), {}, {Tensor("t", TensorType::kF32, {4096})}).value();
  const absl::Status status = writer->Append(std::vector<uint8_t>(4096 * 4));
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  writer.reset();
  EXPECT_EQ(FileCount(), 0u);
}

TEST_F(GgufWriterTest, SaysWhenThereIsNoFolder) {
  EXPECT_TRUE(absl::IsNotFound(GgufWriter::Create(Path() + "/x/y.gguf", {}, {}).status()));
}

}  // namespace
}  // namespace tern
