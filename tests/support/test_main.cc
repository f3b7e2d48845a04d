// SPDX-License-Identifier: MIT
// The main of all test programs: with the path of a source as an argument, as ctest gives it, only
// the tests of that file are run, whatever --gtest_filter says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <string>

namespace tern {
namespace {

// As a filter of gtest; empty if there are none.
std::string TestsOf(const std::string& source) {
  const ::testing::UnitTest& all = *::testing::UnitTest::GetInstance();
  std::string filter;
  for (int i = 0; i < all.total_test_suite_count(); ++i) {
    const ::testing::TestSuite& suite = *all.GetTestSuite(i);
    for (int j = 0; j < suite.total_test_count(); ++j) {
      const ::testing::TestInfo& test = *suite.GetTestInfo(j);
      if (test.file() == source) filter += std::string(suite.name()) + "." + test.name() + ":";
    }
  }
  return filter;
}

}  // namespace
}  // namespace tern

int main(int argc, char** argv) {
  ::testing::InitGoogleMock(&argc, argv);
  if (argc > 1) {
    const std::string filter = tern::TestsOf(argv[1]);
    if (filter.empty()) {
      std::fprintf(stderr, "%s: has no tests in this program\n", argv[1]);
      return 1;
    }
    GTEST_FLAG_SET(filter, filter);
  }
  return RUN_ALL_TESTS();
}
