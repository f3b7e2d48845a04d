// SPDX-License-Identifier: MIT
#include "base/blob_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace tern {
namespace {

using ::testing::HasSubstr;

class BlobFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::mt19937 rng(1);
    for (const size_t size : {3'000'000u, 0u, 1u, 1u << 20}) {
      std::vector<uint8_t>& array = arrays_.emplace_back(size);
      for (uint8_t& byte : array) byte = static_cast<uint8_t>(rng());
    }
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  absl::Status Write() {
    std::filesystem::create_directories(folder_);
    std::vector<Bytes> bytes(arrays_.begin(), arrays_.end());
    return WriteBlobFile(path_, bytes);
  }

  // What reading everything says.
  absl::Status ReadAll() const {
    const absl::StatusOr<BlobFile> file = BlobFile::Open(path_);
    if (!file.ok()) return file.status();
    for (size_t i = 0; i < file->arrays(); ++i) {
      std::vector<uint8_t> read(file->bytes(i));
      const absl::Status status = file->Read(i, *pool_, read.data());
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  std::string FileBytes() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  void SetFileBytes(const std::string& bytes) const {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
  }

  const std::string folder_ = ::testing::TempDir() + "blob_file_test." + std::to_string(getpid());
  const std::string path_ = folder_ + "/blob";
  const std::unique_ptr<ThreadPool> pool_ = ThreadPool::Create({.threads = 2, .cpus = {}}).value();
  std::vector<std::vector<uint8_t>> arrays_;
};

TEST_F(BlobFileTest, ReadsWhatWasWritten) {
  ASSERT_TRUE(Write().ok());
  const BlobFile file = BlobFile::Open(path_).value();
  ASSERT_EQ(file.arrays(), arrays_.size());
  for (size_t i = 0; i < arrays_.size(); ++i) {
    ASSERT_EQ(file.bytes(i), arrays_[i].size());
    std::vector<uint8_t> read(arrays_[i].size());
    ASSERT_TRUE(file.Read(i, *pool_, read.data()).ok());
    EXPECT_TRUE(read == arrays_[i]) << i;
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1) << "left a file";
}

TEST_F(BlobFileTest, FindsEveryFlippedByteThatCounts) {
  ASSERT_TRUE(Write().ok());
  const std::string good = FileBytes();
  constexpr size_t kHeader = 16 + 4 * 16 + 5 * 4 + 4;
  std::vector<size_t> places = {4096, 4096 + 2'999'999, good.size() - 1, good.size() - (1 << 20)};
  for (size_t at = 0; at < kHeader; ++at) places.push_back(at);
  for (const size_t at : places) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    SetFileBytes(bad);
    const absl::Status status = ReadAll();
    EXPECT_TRUE(absl::IsDataLoss(status) || absl::IsFailedPrecondition(status))
        << "byte " << at << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(path_));
  }
}

TEST_F(BlobFileTest, FindsEveryTruncation) {
  ASSERT_TRUE(Write().ok());
  const std::string good = FileBytes();
  for (const size_t size :
       {size_t{0}, size_t{7}, size_t{15}, size_t{40}, size_t{100}, size_t{4096}, good.size() - 1}) {
    SetFileBytes(good.substr(0, size));
    EXPECT_TRUE(absl::IsDataLoss(ReadAll())) << size;
  }
}

TEST_F(BlobFileTest, SaysWhatIsNotThere) {
  EXPECT_TRUE(absl::IsNotFound(BlobFile::Open(path_).status()));
  const std::vector<Bytes> none;
  const absl::Status status = WriteBlobFile(folder_ + "/no/such/folder/blob", none);
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("cannot be created"));
}

}  // namespace
}  // namespace tern
