// SPDX-License-Identifier: MIT
#include "bench/report_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "tests/bench/sample_report.h"

namespace tern {
namespace {

using Json = nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> Keys(const nlohmann::ordered_json& json) {
  std::vector<std::string> keys;
  for (const auto& entry : json.items()) keys.push_back(entry.key());
  return keys;
}

TEST(ReportJsonTest, RoundTrip) {
  const Report report = SampleReport();
  EXPECT_EQ(ReportFromJson(Json::parse(ToJson(report).dump()), "x").value(), report);
  EXPECT_EQ(ReportFromJson(Json::parse(ToJson(Report()).dump()), "x").value(), Report());
}

TEST(ReportJsonTest, RoundTripThroughAFile) {
  const std::string path = absl::StrCat(::testing::TempDir(), "/report_", getpid(), ".json");
  ASSERT_TRUE(WriteReport(SampleReport(), path).ok());
  EXPECT_EQ(ReadReport(path).value(), SampleReport());
  unlink(path.c_str());
  EXPECT_TRUE(absl::IsNotFound(ReadReport(path).status()));
  const absl::Status unwritten = WriteReport(SampleReport(), path + "/no/such/folder");
  EXPECT_EQ(unwritten.ToString(), absl::StrCat("UNAVAILABLE: ", path,
                                               "/no/such/folder: cannot be written: "
                                               "No such file or directory"));
}

// Scripts read these: whoever changes one breaks them.
TEST(ReportJsonTest, KeysAreStable) {
  const nlohmann::ordered_json json = ToJson(SampleReport());
  EXPECT_THAT(Keys(json), ElementsAre("machine", "model", "limits", "loads", "results", "kernels"));
  EXPECT_THAT(
      Keys(json["machine"]),
      ElementsAre("cpu", "flags", "cores", "l3_bytes", "memory_bytes", "governor", "huge_pages",
                  "os", "load_average", "kernels", "version", "commit", "compiler", "time"));
  EXPECT_THAT(Keys(json["model"]), ElementsAre("name", "architecture", "layers", "dim", "ffn_dim",
                                               "vocab", "ternary_weights", "weight_bytes",
                                               "head_bytes", "kernels", "head", "kv_type"));
  EXPECT_THAT(
      Keys(json["limits"][0]),
      ElementsAre("threads", "probe", "read_gb_per_s", "read_median_gb_per_s", "int8_gmac_per_s",
                  "int8_median_gmac_per_s", "sync_ns", "sync_median_ns"));
  EXPECT_THAT(Keys(json["loads"][0]),
              ElementsAre("threads", "seconds", "peak_rss_bytes", "kv_bytes"));
  EXPECT_THAT(Keys(json["results"][0]),
              ElementsAre("test", "threads", "batch", "depth", "tokens_per_s", "bytes_per_token",
                          "weight_bytes_per_token", "head_bytes_per_token", "kv_bytes_per_token",
                          "limit_share", "bandwidth_share", "int8_share", "token_latency_ms",
                          "time_to_first_token_ms", "joules_per_token"));
  EXPECT_THAT(Keys(json["results"][0]["tokens_per_s"]), ElementsAre("median", "min", "max"));
  EXPECT_THAT(Keys(json["results"][1]["token_latency_ms"]), ElementsAre("p50", "p95", "p99"));
  EXPECT_TRUE(json["results"][1]["joules_per_token"].is_null());
  EXPECT_THAT(Keys(json["kernels"][0]),
              ElementsAre("kernel", "rows", "cols", "tokens", "threads", "seconds", "gb_per_s",
                          "gmac_per_s", "limit_share"));
}

// Of a newer or an older build.
TEST(ReportJsonTest, OtherKeysAreNoError) {
  Json json = Json::parse(ToJson(SampleReport()).dump());
  json["machine"].erase("governor");
  json["results"][1]["colour"] = "blue";
  Report want = SampleReport();
  want.machine.governor = "";
  EXPECT_EQ(ReportFromJson(json, "x").value(), want);
}

TEST(ReportJsonTest, NamesAValueOfAWrongType) {
  const auto refused = [](const char* pointer, const Json& value) {
    Json json = Json::parse(ToJson(SampleReport()).dump());
    json[Json::json_pointer(pointer)] = value;
    const absl::Status status = ReportFromJson(json, "a.json").status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << pointer;
    return std::string(status.message());
  };
  EXPECT_THAT(refused("/machine/cpu", 3),
              HasSubstr("a.json: machine.cpu: found number, want a string"));
  EXPECT_THAT(refused("/machine", "x"), HasSubstr("machine: found string, want an object"));
  EXPECT_THAT(refused("/results", 1), HasSubstr("results: found number, want a list"));
  EXPECT_THAT(refused("/results/1/batch", -1),
              HasSubstr("results[1].batch: found number, want a whole number"));
  EXPECT_THAT(refused("/results/0/tokens_per_s/min", "fast"),
              HasSubstr("results[0].tokens_per_s.min: found string, want a number"));
  EXPECT_THAT(refused("/machine/kernels/1", Json::object()),
              HasSubstr("machine.kernels[1]: found object, want a string"));
}

}  // namespace
}  // namespace tern
