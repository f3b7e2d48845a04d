// SPDX-License-Identifier: MIT
#include "base/mapped_file.h"

#include <fstream>
#include <string>

#include "gtest/gtest.h"

namespace tern {
namespace {

TEST(MappedFileTest, ShowsTheBytes) {
  const std::string path = testing::TempDir() + "/mapped_file_test.bin";
  std::ofstream(path) << "ternary";
  const auto file = MappedFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(std::string((*file)->bytes().begin(), (*file)->bytes().end()), "ternary");
}

TEST(MappedFileTest, AnEmptyFileIsNoError) {
  const std::string path = testing::TempDir() + "/mapped_file_test_empty.bin";
  std::ofstream(path).flush();
  const auto file = MappedFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE((*file)->bytes().empty());
}

TEST(MappedFileTest, NamesWhatIsMissing) {
  const auto missing = MappedFile::Open("/no/such/file");
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_NE(missing.status().message().find("/no/such/file"), absl::string_view::npos);
  EXPECT_EQ(MappedFile::Open(testing::TempDir()).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace tern
