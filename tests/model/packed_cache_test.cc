// SPDX-License-Identifier: MIT
#include "model/packed_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "model/content_id.h"
#include "model/packed_arrays.h"
#include "tests/support/kernel_names.h"

namespace tern {
namespace {

class PackedCacheTest : public ::testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove_all(folder_); }

  size_t Files() const {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder_)) ++count;
    return count;
  }

  const std::string folder_ = ::testing::TempDir() + "packed_cache." + std::to_string(getpid());
  const std::unique_ptr<ThreadPool> pool_ = ThreadPool::Create({.threads = 2, .cpus = {}}).value();
};

// A matrix with scales of its rows, or of groups.
BitLinear RandomMatrix(const MatrixOptions& options, size_t rows, size_t cols) {
  std::mt19937 rng(7);
  BitLinear matrix;
  matrix.rows = rows;
  matrix.cols = cols;
  matrix.kernels = options.kernels;
  matrix.group_cols = options.group_cols;
  matrix.scale = 0.25f;
  std::vector<int8_t> trits(rows * cols);
  for (int8_t& trit : trits) trit = static_cast<int8_t>(static_cast<int>(rng() % 3) - 1);
  const Packing packing = options.kernels.packing();
  matrix.packed = AlignedBuffer<uint8_t>(PackedBytes(packing, rows, cols));
  PackRows(packing, trits.data(), cols, 0, rows, matrix.packed.data());
  AlignedBuffer<float>& scales = options.group_cols == 0 ? matrix.row_scales : matrix.group_scales;
  const size_t groups = options.group_cols == 0 ? 0 : cols / options.group_cols;
  scales = AlignedBuffer<float>(options.group_cols == 0 ? rows : RoundUp(rows, 16) * groups);
  for (float& scale : scales) scale = static_cast<float>(rng() % 100);
  return matrix;
}

TEST_F(PackedCacheTest, GivesBackTheSameMatrix) {
  for (const std::string& name : KernelNames()) {
    for (const size_t group_cols : {0, 64}) {
      const MatrixOptions options = {.kernels = ChooseKernels(name).value().matrix,
                                     .group_cols = group_cols};
      const BitLinear matrix = RandomMatrix(options, 50, 128);
      const std::string form = PackedMatrixForm("blk.0.attn_q.weight", options);
      PackedCache cache(folder_);
      cache.Store("id", form, ArraysOf(matrix));
      const auto file = cache.Find("id", form, kPackedMatrixArrays);
      ASSERT_TRUE(file.has_value()) << name;
      const auto read = ReadPackedMatrix(*file, 50, 128, options, *pool_);
      ASSERT_TRUE(read.ok()) << read.status();
      EXPECT_EQ(read->scale, matrix.scale);
      EXPECT_TRUE(std::ranges::equal(read->packed, matrix.packed));
      EXPECT_TRUE(std::ranges::equal(read->row_scales, matrix.row_scales));
      EXPECT_TRUE(std::ranges::equal(read->group_scales, matrix.group_scales));
      EXPECT_TRUE(absl::IsDataLoss(ReadPackedMatrix(*file, 50, 64, options, *pool_).status()));
    }
  }
}

TEST_F(PackedCacheTest, KeepsContentsAndFormsApart) {
  PackedCache cache(folder_);
  const std::vector<uint8_t> bytes(100, 1);
  const std::vector<Bytes> arrays = {bytes};
  cache.Store("id", "form", arrays);
  EXPECT_TRUE(cache.Find("id", "form", 1).has_value());
  EXPECT_FALSE(cache.Find("another", "form", 1).has_value());
  EXPECT_FALSE(cache.Find("id", "another", 1).has_value());
  EXPECT_FALSE(cache.Find("", "form", 1).has_value());
  EXPECT_FALSE(cache.Find("id", "form", 2).has_value()) << "and it is removed:";
  EXPECT_EQ(Files(), 0u);
}

TEST_F(PackedCacheTest, RemovesWhatIsDamaged) {
  PackedCache cache(folder_);
  const std::vector<Bytes> arrays(1);
  cache.Store("id", "form", arrays);
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    std::filesystem::resize_file(entry.path(), 10);
  }
  EXPECT_FALSE(cache.Find("id", "form", 1).has_value());
  EXPECT_EQ(Files(), 0u);
}

TEST_F(PackedCacheTest, ForgetsWhatWasNotUsedForLongest) {
  const std::vector<uint8_t> bytes(100'000, 1);
  const std::vector<Bytes> arrays = {bytes};
  {
    PackedCache cache(folder_);
    for (const char* form : {"a", "b", "c"}) cache.Store("id", form, arrays);
  }
  // Times of use, oldest first: b, c, a.
  const auto now = std::filesystem::file_time_type::clock::now();
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    std::filesystem::last_write_time(entry.path(), now - std::chrono::hours(2));
  }
  {
    PackedCache cache(folder_, 250'000);
    EXPECT_TRUE(cache.Find("id", "c", 1).has_value());
    EXPECT_TRUE(cache.Find("id", "a", 1).has_value());
    cache.Store("id", "d", arrays);
  }
  PackedCache cache(folder_);
  EXPECT_FALSE(cache.Find("id", "b", 1).has_value());
  EXPECT_TRUE(cache.Find("id", "d", 1).has_value());
  EXPECT_EQ(Files(), 2u);
}

TEST_F(PackedCacheTest, KeepsNothingWithoutAFolder) {
  PackedCache cache("");
  cache.Store("id", "form", {});
  EXPECT_FALSE(cache.Find("id", "form", 0).has_value());
  PackedCache unwritable("/dev/null/folder");
  unwritable.Store("id", "form", {});
  EXPECT_FALSE(unwritable.Find("id", "form", 0).has_value());
}

TEST_F(PackedCacheTest, ContentIdIsTheDigestAndIsRemembered) {
  std::filesystem::create_directories(folder_ + "/model");
  const std::string file = folder_ + "/model/file";
  std::ofstream(file) << "abc";
  const std::string sha256_of_abc =
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  EXPECT_EQ(ContentId(file, ""), sha256_of_abc);
  EXPECT_EQ(ContentId(folder_ + "/model", folder_ + "/cache"), sha256_of_abc);
  // Remembered: here the memory is made to be wrong.
  const std::string other(64, 'a');
  for (const auto& entry : std::filesystem::directory_iterator(folder_ + "/cache/digests")) {
    std::ofstream(entry.path(), std::ios::trunc) << other;
  }
  EXPECT_EQ(ContentId(folder_ + "/model", folder_ + "/cache"), other);
  // A change is noticed.
  std::ofstream(file) << "abcd";
  EXPECT_NE(ContentId(folder_ + "/model", folder_ + "/cache"), other);
  EXPECT_EQ(ContentId(folder_ + "/nothing", folder_ + "/cache"), "");
}

}  // namespace
}  // namespace tern
