// SPDX-License-Identifier: MIT
#include "tools/mpi_report.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace tern {
namespace {

using Json = nlohmann::ordered_json;

struct MemoryField {
  const char* name;
  uint64_t RankMemory::*bytes;
};
constexpr MemoryField kMemory[] = {
    {"peak_rss_bytes", &RankMemory::peak},
    {"weight_bytes", &RankMemory::weights},
    {"file_bytes", &RankMemory::file},
    {"kv_bytes", &RankMemory::kv},
};

bool IsCount(const Json& json, const char* key) {
  return json.contains(key) && json[key].is_number_unsigned();
}

bool IsNumber(const Json& json, const char* key) {
  return json.contains(key) && json[key].is_number();
}

std::optional<RankMemory> ToMemory(const Json& json) {
  if (!json.is_object() || !IsCount(json, "layers")) return std::nullopt;
  RankMemory memory;
  memory.layers = json["layers"].get<uint32_t>();
  for (const MemoryField& field : kMemory) {
    if (!IsCount(json, field.name)) return std::nullopt;
    memory.*field.bytes = json[field.name].get<uint64_t>();
  }
  return memory;
}

std::optional<HopTimes> ToHop(const Json& json) {
  const bool sound = json.is_object() && IsCount(json, "dim") && IsCount(json, "round_trips") &&
                     IsNumber(json, "median_us") && IsNumber(json, "p99_us");
  if (!sound) return std::nullopt;
  return HopTimes{json["dim"].get<uint32_t>(), json["round_trips"].get<uint32_t>(),
                  json["median_us"].get<double>(), json["p99_us"].get<double>()};
}

std::optional<MpiReport> ToReport(const Json& json) {
  MpiReport report;
  if (json.is_object() && json.contains("hop")) {
    report.hop = ToHop(json["hop"]);
    return report.hop.has_value() ? std::optional(std::move(report)) : std::nullopt;
  }
  const bool sound = json.is_object() && IsCount(json, "tokens") &&
                     IsNumber(json, "first_to_last_s") && json.contains("ranks") &&
                     json["ranks"].is_array();
  if (!sound) return std::nullopt;
  report.tokens = json["tokens"].get<uint64_t>();
  report.first_to_last = json["first_to_last_s"].get<double>();
  for (const Json& each : json["ranks"]) {
    const std::optional<RankMemory> memory = ToMemory(each);
    if (!memory.has_value()) return std::nullopt;
    report.ranks.push_back(*memory);
  }
  return report;
}

Json Parse(const std::string& text) {
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

absl::Status Unknown(const std::string& text) {
  return absl::DataLossError(absl::StrCat("report: found '", text.substr(0, 200), "'"));
}

}  // namespace

Json ToJson(const RankMemory& memory) {
  Json json = {{"layers", memory.layers}};
  for (const MemoryField& field : kMemory) json[field.name] = memory.*field.bytes;
  json["rest_bytes"] = memory.rest();
  return json;
}

std::string Encode(const RankMemory& memory) { return ToJson(memory).dump(); }

absl::StatusOr<RankMemory> DecodeRankMemory(const std::string& text) {
  const std::optional<RankMemory> memory = ToMemory(Parse(text));
  return memory.has_value() ? absl::StatusOr<RankMemory>(*memory) : Unknown(text);
}

std::string Encode(const MpiReport& report) {
  Json json;
  if (report.hop.has_value()) {
    json["hop"] = {{"dim", report.hop->dim},
                   {"round_trips", report.hop->round_trips},
                   {"median_us", report.hop->median_us},
                   {"p99_us", report.hop->p99_us}};
    return json.dump(2) + "\n";
  }
  json["tokens"] = report.tokens;
  json["first_to_last_s"] = report.first_to_last;
  json["tokens_per_s"] = report.tokens_per_s();
  json["ranks"] = Json::array();
  for (const RankMemory& memory : report.ranks) json["ranks"].push_back(ToJson(memory));
  return json.dump(2) + "\n";
}

absl::StatusOr<MpiReport> DecodeReport(const std::string& text) {
  std::optional<MpiReport> report = ToReport(Parse(text));
  return report.has_value() ? absl::StatusOr<MpiReport>(*std::move(report)) : Unknown(text);
}

}  // namespace tern
