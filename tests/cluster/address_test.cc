// SPDX-License-Identifier: MIT
#include "cluster/address.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tern {
namespace {

using ::testing::HasSubstr;

TEST(AddressTest, ParsesWhatItPrints) {
  for (const char* text :
       {"127.0.0.1:7000", "localhost:0", "box-1.example:65535", "[::1]:80", "[fe80::1]:1"}) {
    const absl::StatusOr<Address> address = ParseAddress("--listen", text);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_EQ(address->ToString(), text);
  }
}

TEST(AddressTest, RefusesAllElseAndNamesTheFlag) {
  for (const char* text :
       {"", ":", "nonsense", "host", "host:", ":7000", "host:65536", "host:-1", "host:+1",
        "host: 1", "host:1x", "::1:80", "[::1]", "[nonsense]:80", "[]:80", "ho st:80", "host/x:80",
        "unix:/tmp/x", "host:99999999999999999999"}) {
    const absl::StatusOr<Address> address = ParseAddress("--listen", text);
    ASSERT_FALSE(address.ok()) << text;
    EXPECT_EQ(address.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(address.status().ToString(), HasSubstr("--listen"));
  }
  EXPECT_FALSE(ParseAddress("--listen", std::string("127.0.0.1\0x:1", 13)).ok());
}

TEST(AddressTest, LoopbackIsWhatOthersCannotReach) {
  for (const char* host : {"localhost", "127.0.0.1", "127.8.9.10", "::1"}) {
    EXPECT_TRUE(IsLoopback(host)) << host;
  }
  for (const char* host : {"0.0.0.0", "::", "128.0.0.1", "10.0.0.1", "example", "127.example"}) {
    EXPECT_FALSE(IsLoopback(host)) << host;
  }
}

TEST(AddressTest, PlaintextOffLoopbackMustBeAskedFor) {
  EXPECT_TRUE(CheckPlaintext("--listen", {"127.0.0.1", 1}, false).ok());
  EXPECT_TRUE(CheckPlaintext("--listen", {"10.0.0.1", 1}, true).ok());
  const absl::Status refused = CheckPlaintext("--listen", {"10.0.0.1", 1}, false);
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(refused.ToString(), HasSubstr("--insecure"));
}

}  // namespace
}  // namespace tern
