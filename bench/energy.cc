// SPDX-License-Identifier: MIT
#include "bench/energy.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "bench/text_file.h"

namespace tern {
namespace {

std::optional<uint64_t> ReadNumber(const std::string& path) {
  uint64_t value = 0;
  if (!absl::SimpleAtoi(ReadFirstLine(path), &value)) return std::nullopt;
  return value;
}

// "intel-rapl:0" is a package; "intel-rapl:0:1" is a part of it and would count twice. AMD's
// packages have the same names.
bool IsPackage(const std::string& name) {
  return absl::StartsWith(name, "intel-rapl:") && std::count(name.begin(), name.end(), ':') == 1;
}

}  // namespace

EnergyMeter::EnergyMeter(const std::string& root) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(root, error)) {
    if (!IsPackage(entry.path().filename().string())) continue;
    const std::string folder = entry.path().string();
    const auto range = ReadNumber(absl::StrCat(folder, "/max_energy_range_uj"));
    const std::string path = absl::StrCat(folder, "/energy_uj");
    if (range && ReadNumber(path)) counters_.push_back({path, *range});
  }
  Start();
}

void EnergyMeter::Start() {
  for (Counter& counter : counters_) counter.start = ReadNumber(counter.path).value_or(0);
}

std::optional<double> EnergyMeter::Joules() const {
  if (!available()) return std::nullopt;
  uint64_t microjoules = 0;
  for (const Counter& counter : counters_) {
    const std::optional<uint64_t> now = ReadNumber(counter.path);
    if (!now) return std::nullopt;
    const uint64_t wrapped = *now < counter.start ? counter.range : 0;
    microjoules += *now + wrapped - counter.start;
  }
  return static_cast<double>(microjoules) * 1e-6;
}

}  // namespace tern
