// SPDX-License-Identifier: MIT
#include <cmath>
#include <string>

#include "base/log_fields.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tern {
namespace {

TEST(LogTest, LinesForPeopleQuoteWhatCouldBeMistaken) {
  EXPECT_EQ(TextLine("worker joined", {}), "worker joined");
  EXPECT_EQ(TextLine("request ends", {{"request_id", "a-1"},
                                      {"tokens", 12},
                                      {"seconds", 0.5},
                                      {"error", "found 3, want \"2\"\n"},
                                      {"none", ""}}),
            "request ends request_id=a-1 tokens=12 seconds=0.5 "
            "error=\"found 3, want \\\"2\\\"\\n\" none=\"\"");
}

TEST(LogTest, LinesForProgramsAreJson) {
  const absl::Time time = absl::FromUnixMillis(1'700'000'000'042);
  EXPECT_EQ(JsonLine(time, LogLevel::kWarning, "a \"b\"\n", {{"tokens", 12}, {"id", "12"}}),
            R"({"time":"2023-11-14T22:13:20.042Z","level":"warning","message":"a \"b\"\n",)"
            R"("tokens":12,"id":"12"})");
  EXPECT_EQ(JsonLine(time, LogLevel::kInfo, "m", {{"share", std::nan("")}, {"text", "\xff"}}),
            R"({"time":"2023-11-14T22:13:20.042Z","level":"info","message":"m",)"
            "\"share\":null,\"text\":\"\xEF\xBF\xBD\"}");
}

}  // namespace
}  // namespace tern
