// SPDX-License-Identifier: MIT
// JSON that nobody vouches for.
#ifndef TERN_FORMATS_JSON_TEXT_H_
#define TERN_FORMATS_JSON_TEXT_H_

#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tern {

// DATA_LOSS, naming `name` and the place, for text that is not JSON, is nested more than 64 deep,
// or is not an object.
absl::StatusOr<nlohmann::json> ParseJsonObject(absl::string_view text, const std::string& name);

// The same of a file; its errors.
absl::StatusOr<nlohmann::json> ReadJsonObject(const std::string& path);

}  // namespace tern

#endif  // TERN_FORMATS_JSON_TEXT_H_
