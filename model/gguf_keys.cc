// SPDX-License-Identifier: MIT
#include "model/gguf_keys.h"

namespace tern {
namespace {

absl::Status Missing(const absl::Status& status) {
  return absl::IsNotFound(status) ? absl::DataLossError(status.message()) : status;
}

}  // namespace

absl::StatusOr<uint32_t> GgufKeys::Unsigned(absl::string_view key) const {
  const absl::StatusOr<uint64_t> value = file_.Unsigned(Name(key));
  if (!value.ok()) return Missing(value.status());
  if (*value > UINT32_MAX) {
    return absl::DataLossError(absl::StrCat(file_.name(), ": ", Name(key), ": found ", *value,
                                            ", want at most ", UINT32_MAX));
  }
  return static_cast<uint32_t>(*value);
}

absl::StatusOr<float> GgufKeys::Float(absl::string_view key) const {
  const absl::StatusOr<double> value = file_.Float(Name(key));
  if (!value.ok()) return Missing(value.status());
  return static_cast<float>(*value);
}

absl::StatusOr<uint32_t> GgufKeys::UnsignedOr(absl::string_view key, uint32_t value) const {
  if (!Has(key)) return value;
  return Unsigned(key);
}

absl::StatusOr<float> GgufKeys::FloatOr(absl::string_view key, float value) const {
  if (!Has(key)) return value;
  return Float(key);
}

absl::StatusOr<std::string> GgufKeys::StringOr(absl::string_view key,
                                               absl::string_view value) const {
  if (!Has(key)) return std::string(value);
  return file_.String(Name(key));
}

}  // namespace tern
