// SPDX-License-Identifier: MIT
#include "base/open_files.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "gtest/gtest.h"

namespace tern {
namespace {

TEST(OpenFilesTest, TheLimitIsRaisedAsFarAsItMay) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = 64;
  ASSERT_LT(low.rlim_cur, low.rlim_max);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  EXPECT_EQ(OpenFileLimit(), 64);
  EXPECT_EQ(RaiseOpenFileLimit(), before.rlim_max);
  EXPECT_EQ(OpenFileLimit(), before.rlim_max);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST(OpenFilesTest, CountsWhatIsOpen) {
  const uint64_t before = OpenFiles();
  EXPECT_GE(before, 3);
  const int file = open("/dev/null", O_RDONLY);
  EXPECT_EQ(OpenFiles(), before + 1);
  close(file);
  EXPECT_EQ(OpenFiles(), before);
}

}  // namespace
}  // namespace tern
