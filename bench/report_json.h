// SPDX-License-Identifier: MIT
// Reports as JSON. Keys are stable: others may be added, none goes or changes its meaning.
#ifndef TERN_BENCH_REPORT_JSON_H_
#define TERN_BENCH_REPORT_JSON_H_

#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "bench/report.h"

namespace tern {

nlohmann::ordered_json ToJson(const Report& report);

// Keys that are not known are left out, keys that are missing leave their field as it is.
// DATA_LOSS, naming `name` and the key, for a value of another type than ToJson writes.
absl::StatusOr<Report> ReportFromJson(const nlohmann::json& json, const std::string& name);

// Errors of the file, of its JSON, and of ReportFromJson.
absl::StatusOr<Report> ReadReport(const std::string& path);

// Errors of WriteTextFile.
absl::Status WriteReport(const Report& report, const std::string& path);

}  // namespace tern

#endif  // TERN_BENCH_REPORT_JSON_H_
