// SPDX-License-Identifier: MIT
// Checks of fields that come from the wire. Each returns INVALID_ARGUMENT, naming the field, what
// was found and what is allowed.
#ifndef TERN_CLUSTER_WIRE_CHECKS_H_
#define TERN_CLUSTER_WIRE_CHECKS_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace tern {

inline constexpr size_t kMaxNameBytes = 256;
inline constexpr size_t kMaxReasonBytes = 64 << 10;

absl::Status Refuse(const char* field, const std::string& found, const std::string& want);

// Text that will be printed: no control characters.
absl::Status CheckText(const char* field, const std::string& text, size_t max_bytes);
// Such text, neither empty nor longer than kMaxNameBytes.
absl::Status CheckName(const char* field, const std::string& text);
absl::Status CheckSha256(const char* field, const std::string& text);
absl::Status CheckRange(const char* field, uint64_t value, uint64_t least, uint64_t most);
absl::Status CheckEpoch(uint64_t epoch);
// "host:port" with a port.
absl::Status CheckPeerAddress(const char* field, const std::string& text);
// "unix:/PATH", or nothing.
absl::Status CheckUnixAddress(const char* field, const std::string& text);

// `text` as CheckText lets it pass: error messages may quote anything.
std::string Printable(absl::string_view text);

}  // namespace tern

#endif  // TERN_CLUSTER_WIRE_CHECKS_H_
