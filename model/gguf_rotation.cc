// SPDX-License-Identifier: MIT
#include "model/gguf_rotation.h"

#include <algorithm>
#include <bit>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace tern {
namespace {

constexpr char kPrefix[] = "prism.hadamard.";
constexpr char kTransform[] = "normalized-sylvester-walsh-hadamard";
constexpr char kAxis[] = "input-last-dimension";
constexpr char kEmbedding[] = "token_embd.weight";
constexpr uint64_t kVersion = 1;

std::string Key(absl::string_view name) { return absl::StrCat(kPrefix, name); }

absl::Status Unknown(const GgufFile& file, absl::string_view key, absl::string_view found,
                     absl::string_view want) {
  return absl::FailedPreconditionError(absl::StrCat(file.name(), ": ", Key(key), ": found ",
                                                    absl::Utf8SafeCEscape(found),
                                                    ", this build applies ", want));
}

absl::Status Damaged(const GgufFile& file, absl::string_view key, absl::string_view text) {
  return absl::DataLossError(absl::StrCat(file.name(), ": ", Key(key), ": ", text));
}

absl::Status CheckString(const GgufFile& file, absl::string_view key, absl::string_view want) {
  if (!file.Has(Key(key))) return absl::OkStatus();
  TERN_ASSIGN_OR_RETURN(const std::string found, file.String(Key(key)));
  return found == want ? absl::OkStatus() : Unknown(file, key, found, want);
}

absl::Status CheckKeys(const GgufFile& file) {
  const char* const known[] = {"version",      "transform",    "block_size",
                               "axis",         "sign_mode",    "sign_widths",
                               "sign_values",  "weight_names", "inverse_weight_names",
                               "gdn_v_grouped"};
  for (const auto& [key, value] : file.metadata()) {
    if (!absl::StartsWith(key, kPrefix)) continue;
    const absl::string_view name = absl::string_view(key).substr(sizeof(kPrefix) - 1);
    if (std::find(std::begin(known), std::end(known), name) == std::end(known)) {
      return absl::FailedPreconditionError(absl::StrCat(
          file.name(), ": ", absl::Utf8SafeCEscape(key), ": this build does not know this key"));
    }
  }
  TERN_ASSIGN_OR_RETURN(const uint64_t version, file.Unsigned(Key("version")));
  if (version != kVersion) return Unknown(file, "version", absl::StrCat(version), "1");
  TERN_RETURN_IF_ERROR(CheckString(file, "transform", kTransform));
  return CheckString(file, "axis", kAxis);
}

absl::Status ReadSigns(const GgufFile& file, Rotation& rotation) {
  std::string mode = "identity";
  if (file.Has(Key("sign_mode"))) {
    TERN_ASSIGN_OR_RETURN(mode, file.String(Key("sign_mode")));
  }
  if (mode == "identity") return absl::OkStatus();
  if (mode != "explicit") return Unknown(file, "sign_mode", mode, "identity, explicit");
  TERN_ASSIGN_OR_RETURN(const std::vector<int64_t> widths, file.Integers(Key("sign_widths")));
  TERN_ASSIGN_OR_RETURN(const std::vector<int64_t> values, file.Integers(Key("sign_values")));
  size_t next = 0;
  for (const int64_t width : widths) {
    if (width < 1 || static_cast<uint64_t>(width) > values.size() - next) {
      return Damaged(
          file, "sign_values",
          absl::StrCat("found ", values.size() - next, " values for a width of ", width));
    }
    std::vector<int8_t>& signs = rotation.signs[static_cast<uint32_t>(width)];
    if (!signs.empty()) {
      return Damaged(file, "sign_widths", absl::StrCat("found ", width, " twice"));
    }
    for (int64_t i = 0; i < width; ++i) {
      const int64_t sign = values[next++];
      if (sign != 1 && sign != -1) {
        return Damaged(file, "sign_values", absl::StrCat("found ", sign, ", want -1 or 1"));
      }
      signs.push_back(static_cast<int8_t>(sign));
    }
  }
  if (next == values.size()) return absl::OkStatus();
  return Damaged(file, "sign_values",
                 absl::StrCat("found ", values.size(), " values, want ", next));
}

}  // namespace

absl::StatusOr<Rotation> ReadRotation(const GgufFile& file) {
  Rotation rotation;
  const bool declared =
      std::any_of(file.metadata().begin(), file.metadata().end(),
                  [](const auto& entry) { return absl::StartsWith(entry.first, kPrefix); });
  if (!declared) return rotation;
  TERN_RETURN_IF_ERROR(CheckKeys(file));
  TERN_ASSIGN_OR_RETURN(const uint64_t block, file.Unsigned(Key("block_size")));
  if (!std::has_single_bit(block) || block > UINT32_MAX) {
    return Damaged(file, "block_size", absl::StrCat("found ", block, ", want a power of two"));
  }
  rotation.block_cols = static_cast<uint32_t>(block);
  TERN_RETURN_IF_ERROR(ReadSigns(file, rotation));
  TERN_ASSIGN_OR_RETURN(const auto* names, file.Strings(Key("weight_names")));
  rotation.weights = *names;
  std::sort(rotation.weights.begin(), rotation.weights.end());
  for (const std::string& name : rotation.weights) {
    if (!absl::IsNotFound(file.Find(name).status())) continue;
    return Damaged(file, "weight_names",
                   absl::StrCat("found ", absl::Utf8SafeCEscape(name), ", which is no tensor"));
  }
  if (!file.Has(Key("inverse_weight_names"))) return rotation;
  TERN_ASSIGN_OR_RETURN(const auto* inverse, file.Strings(Key("inverse_weight_names")));
  for (const std::string& name : *inverse) {
    if (name != kEmbedding) return Unknown(file, "inverse_weight_names", name, kEmbedding);
    rotation.embedding = true;
  }
  return rotation;
}

void AppendRotation(const Rotation& rotation,
                    std::vector<std::pair<std::string, GgufValue>>& metadata) {
  if (rotation.block_cols == 0) return;
  const auto add = [&](absl::string_view key, auto value) {
    metadata.emplace_back(Key(key), GgufValue{std::move(value)});
  };
  add("version", kVersion);
  add("transform", std::string(kTransform));
  add("block_size", uint64_t{rotation.block_cols});
  add("axis", std::string(kAxis));
  add("sign_mode", std::string(rotation.signs.empty() ? "identity" : "explicit"));
  if (!rotation.signs.empty()) {
    std::vector<int64_t> widths, values;
    for (const auto& [width, signs] : rotation.signs) {
      widths.push_back(width);
      values.insert(values.end(), signs.begin(), signs.end());
    }
    add("sign_widths", GgufArray(std::move(widths)));
    add("sign_values", GgufArray(std::move(values)));
  }
  add("weight_names", GgufArray(rotation.weights));
  if (rotation.embedding) {
    add("inverse_weight_names", GgufArray(std::vector<std::string>{kEmbedding}));
  }
}

}  // namespace tern
