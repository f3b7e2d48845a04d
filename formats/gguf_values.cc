// SPDX-License-Identifier: MIT
// The values of a GGUF file's metadata, asked for by key.
#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "formats/gguf.h"

namespace tern {
namespace {

template <typename T>
const char* KindName() {
  if constexpr (std::is_same_v<T, bool>) return "booleans";
  if constexpr (std::is_same_v<T, uint64_t>) return "unsigned integers";
  if constexpr (std::is_same_v<T, int64_t>) return "signed integers";
  if constexpr (std::is_same_v<T, double>) return "numbers";
  return "strings";
}

// Text that fits in an error message.
std::string Shortened(const GgufValue& value) {
  constexpr size_t kMost = 60;
  std::string text = value.ToString();
  if (text.size() <= kMost) return text;
  return absl::StrCat(text.substr(0, kMost), "...");
}

}  // namespace

std::string GgufValue::ToString() const {
  struct Printer {
    std::string operator()(bool v) const { return v ? "true" : "false"; }
    std::string operator()(uint64_t v) const { return absl::StrCat(v); }
    std::string operator()(int64_t v) const { return absl::StrCat(v); }
    std::string operator()(double v) const { return absl::StrCat(v); }
    std::string operator()(const std::string& v) const {
      return absl::StrCat("\"", absl::Utf8SafeCEscape(v), "\"");
    }
    std::string operator()(const GgufArray& array) const {
      return std::visit(
          [](const auto& v) {
            using Element = typename std::decay_t<decltype(v)>::value_type;
            return absl::StrCat("[", v.size(), " ", KindName<Element>(), "]");
          },
          array);
    }
  };
  return std::visit(Printer{}, value);
}

bool GgufFile::Has(absl::string_view key) const { return metadata_index_.contains(key); }

void GgufFile::Forget(absl::string_view prefix) {
  std::erase_if(metadata_,
                [&](const auto& entry) { return absl::StartsWith(entry.first, prefix); });
  metadata_index_.clear();
  for (size_t i = 0; i < metadata_.size(); ++i) metadata_index_.emplace(metadata_[i].first, i);
}

absl::StatusOr<const GgufValue*> GgufFile::Value(absl::string_view key) const {
  const auto found = metadata_index_.find(key);
  if (found == metadata_index_.end()) {
    return absl::NotFoundError(absl::StrCat(name_, ": no metadata key ", key));
  }
  return &metadata_[found->second].second;
}

absl::Status GgufFile::WrongKind(absl::string_view key, const GgufValue& value,
                                 absl::string_view want) const {
  return absl::DataLossError(
      absl::StrCat(name_, ": ", key, ": found ", Shortened(value), ", want ", want));
}

absl::StatusOr<uint64_t> GgufFile::Unsigned(absl::string_view key) const {
  TERN_ASSIGN_OR_RETURN(const GgufValue* found, Value(key));
  if (const auto* v = std::get_if<uint64_t>(&found->value)) return *v;
  if (const auto* v = std::get_if<int64_t>(&found->value); v != nullptr && *v >= 0) return *v;
  return WrongKind(key, *found, "a whole number that is not negative");
}

absl::StatusOr<double> GgufFile::Float(absl::string_view key) const {
  constexpr uint64_t kExact = uint64_t{1} << std::numeric_limits<double>::digits;
  TERN_ASSIGN_OR_RETURN(const GgufValue* found, Value(key));
  if (const auto* v = std::get_if<double>(&found->value); v != nullptr && std::isfinite(*v)) {
    return *v;
  }
  if (const auto* v = std::get_if<uint64_t>(&found->value); v != nullptr && *v <= kExact) return *v;
  if (const auto* v = std::get_if<int64_t>(&found->value);
      v != nullptr && *v <= int64_t{kExact} && *v >= -int64_t{kExact}) {
    return *v;
  }
  return WrongKind(key, *found, "a finite number");
}

absl::StatusOr<bool> GgufFile::Bool(absl::string_view key) const {
  TERN_ASSIGN_OR_RETURN(const GgufValue* found, Value(key));
  if (const auto* v = std::get_if<bool>(&found->value)) return *v;
  return WrongKind(key, *found, "true or false");
}

absl::StatusOr<std::string> GgufFile::String(absl::string_view key) const {
  TERN_ASSIGN_OR_RETURN(const GgufValue* found, Value(key));
  if (const auto* v = std::get_if<std::string>(&found->value)) return *v;
  return WrongKind(key, *found, "a string");
}

absl::StatusOr<const std::vector<std::string>*> GgufFile::Strings(absl::string_view key) const {
  TERN_ASSIGN_OR_RETURN(const GgufValue* found, Value(key));
  if (const auto* array = std::get_if<GgufArray>(&found->value)) {
    if (const auto* v = std::get_if<std::vector<std::string>>(array)) return v;
  }
  return WrongKind(key, *found, "an array of strings");
}

absl::StatusOr<std::vector<int64_t>> GgufFile::Integers(absl::string_view key) const {
  TERN_ASSIGN_OR_RETURN(const GgufValue* found, Value(key));
  if (const auto* array = std::get_if<GgufArray>(&found->value)) {
    if (const auto* v = std::get_if<std::vector<int64_t>>(array)) return *v;
    if (const auto* v = std::get_if<std::vector<uint64_t>>(array)) {
      constexpr uint64_t kMost = std::numeric_limits<int64_t>::max();
      if (std::all_of(v->begin(), v->end(), [](uint64_t n) { return n <= kMost; })) {
        return std::vector<int64_t>(v->begin(), v->end());
      }
    }
  }
  return WrongKind(key, *found, "an array of whole numbers");
}

absl::StatusOr<std::vector<double>> GgufFile::Floats(absl::string_view key) const {
  TERN_ASSIGN_OR_RETURN(const GgufValue* found, Value(key));
  if (const auto* array = std::get_if<GgufArray>(&found->value)) {
    if (const auto* v = std::get_if<std::vector<double>>(array)) return *v;
  }
  return WrongKind(key, *found, "an array of numbers");
}

}  // namespace tern
