// SPDX-License-Identifier: MIT
#include "tools/mpi_speed.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "model/transformer.h"

namespace tern {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kSmallModelBytes = uint64_t{64} << 20;

bool IsNumbers(const Json& json, size_t count) {
  if (!json.is_array() || json.size() != count) return false;
  for (const Json& value : json) {
    if (!value.is_number()) return false;
  }
  return true;
}

}  // namespace

bool IsWorthMeasuring(const ModelConfig& config) {
  return WeightBytes(config, {0, config.layers}) >= kSmallModelBytes;
}

// Of a core that is neither new nor old.
WorkerSpeed NominalSpeed(size_t threads) {
  const auto each = static_cast<double>(threads);
  WorkerSpeed speed;
  speed.ternary.seconds = {0.1 / each, 0.2 / each, 1.2 / each, 10 / each};
  speed.dense.seconds = {0.1 / each, 0.2 / each, 1.2 / each, 10 / each};
  speed.attention = 0.5 / each;
  speed.attention_q8 = 0.3 / each;
  speed.read_bytes_per_second = 5e9 * each;
  return speed;
}

std::string Encode(const WorkerProfile& profile) {
  const WorkerSpeed& speed = profile.speed;
  return Json({{"name", profile.name},
               {"memory", profile.memory_bytes},
               {"ternary", speed.ternary.seconds},
               {"dense", speed.dense.seconds},
               {"other", {speed.attention, speed.attention_q8, speed.read_bytes_per_second}}})
      .dump();
}

absl::StatusOr<WorkerProfile> DecodeProfile(const std::string& text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  const bool sound = json.is_object() && json.value("name", Json()).is_string() &&
                     json.value("memory", Json()).is_number_unsigned() &&
                     IsNumbers(json.value("ternary", Json()), kMeasuredRows.size()) &&
                     IsNumbers(json.value("dense", Json()), kMeasuredRows.size()) &&
                     IsNumbers(json.value("other", Json()), 3);
  if (!sound) return absl::DataLossError(absl::StrCat("profile: found '", text, "'"));
  WorkerProfile profile;
  profile.name = json["name"].get<std::string>();
  profile.memory_bytes = json["memory"].get<uint64_t>();
  for (size_t i = 0; i < kMeasuredRows.size(); ++i) {
    profile.speed.ternary.seconds[i] = json["ternary"][i].get<double>();
    profile.speed.dense.seconds[i] = json["dense"][i].get<double>();
  }
  profile.speed.attention = json["other"][0].get<double>();
  profile.speed.attention_q8 = json["other"][1].get<double>();
  profile.speed.read_bytes_per_second = json["other"][2].get<double>();
  profile.link = FastLink();
  return profile;
}

}  // namespace tern
