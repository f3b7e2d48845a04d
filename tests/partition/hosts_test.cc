// SPDX-License-Identifier: MIT
#include "partition/hosts.h"

#include <string>

#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tern {
namespace {

using ::testing::HasSubstr;

constexpr char kTwoKinds[] = R"({
  // Comments are allowed.
  "hosts": [
    {"name": "box", "count": 2, "cores": 16, "int8_gmacs_per_core": 50, "read_gb_per_s": 40,
     "memory_gib": 64, "link_gbit": 10, "link_latency_us": 50},
    {"name": "big", "cores": 64, "int8_gmacs_per_core": 80, "float_gmacs_per_core": 20,
     "read_gb_per_s": 200, "memory_gib": 256, "link_gbit": 100, "link_latency_us": 5}
  ],
  "links": [{"from": "box-1", "to": "big", "gbit": 1, "latency_us": 300}]
})";

TEST(HostsTest, ReadsWhatAFileSays) {
  const absl::StatusOr<ClusterProfile> cluster = ParseHosts(kTwoKinds, "test");
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  ASSERT_EQ(cluster->workers.size(), 3);
  EXPECT_EQ(cluster->workers[0].name, "box-1");
  EXPECT_EQ(cluster->workers[1].name, "box-2");
  const WorkerProfile& big = cluster->workers[2];
  EXPECT_EQ(big.name, "big");
  EXPECT_EQ(big.memory_bytes, uint64_t{256} << 30);
  EXPECT_DOUBLE_EQ(big.link.bytes_per_second, 12.5e9);
  EXPECT_DOUBLE_EQ(big.link.latency_seconds, 5e-6);
  // One row waits for memory, 512 for products.
  EXPECT_DOUBLE_EQ(big.speed.ternary.For(1), 1e9 / 4 / (200e9 * 0.85));
  EXPECT_DOUBLE_EQ(big.speed.ternary.For(512), 512 * 1e9 / (64 * 80e9));
  EXPECT_DOUBLE_EQ(big.speed.dense.For(512), 512 * 0.5e9 / (64 * 20e9));
  EXPECT_EQ(cluster->workers[0].speed.attention, 1 / (16 * 50 / 8.0)) << "an eighth of int8";
  ASSERT_EQ(cluster->pairs.size(), 2) << "both ways";
  EXPECT_EQ(cluster->pairs[0].from, 0);
  EXPECT_EQ(cluster->pairs[0].to, 2);
  EXPECT_EQ(cluster->pairs[1].from, 2);
  EXPECT_DOUBLE_EQ(cluster->pairs[0].speed.bytes_per_second, 125e6);
  EXPECT_EQ(cluster->pairs[0].speed, cluster->pairs[1].speed);
}

TEST(HostsTest, RefusesWhatItCannotRead) {
  const auto message = [](const char* from, const char* to) {
    const std::string text = absl::StrReplaceAll(kTwoKinds, {{from, to}});
    EXPECT_NE(text, kTwoKinds) << from;
    const absl::Status status = ParseHosts(text, "test").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << from;
    return std::string(status.message());
  };
  EXPECT_THAT(message("]", "}"), HasSubstr("test: no JSON"));
  EXPECT_THAT(message("\"hosts\"", "\"boxes\""), HasSubstr("there is no such field"));
  EXPECT_THAT(message("\"cores\": 16", "\"cores\": -1"),
              HasSubstr("test: host 0: cores: found -1, want 1 to"));
  EXPECT_THAT(message("\"cores\": 16", "\"cores\": \"many\""), HasSubstr("found \"many\""));
  EXPECT_THAT(message("\"cores\": 16,", ""), HasSubstr("cores: it is missing"));
  EXPECT_THAT(message("\"cores\"", "\"kores\""), HasSubstr("missing"));
  EXPECT_THAT(message("\"count\": 2", "\"count\": 200000"), HasSubstr("count"));
  EXPECT_THAT(message("\"gbit\": 1,", "\"gbit\": 0,"), HasSubstr("test: link 0: gbit"));
  EXPECT_THAT(message("\"to\": \"big\"", "\"to\": \"huge\""), HasSubstr("named huge"));
  EXPECT_THAT(message("\"to\": \"big\"", "\"to\": \"box-1\""), HasSubstr("want two of 3"));
  EXPECT_THAT(message("\"name\": \"big\"", "\"name\": \"box-2\""), HasSubstr("two hosts named"));
  EXPECT_EQ(ParseHosts("{\"hosts\": []}", "test").status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ParseHosts("[]", "test").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReadHosts("/no-such-file.json").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace tern
