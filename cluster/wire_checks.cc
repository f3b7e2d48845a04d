// SPDX-License-Identifier: MIT
#include "cluster/wire_checks.h"

#include <algorithm>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "cluster/address.h"
#include "cluster/unix_socket.h"

namespace tern {

absl::Status Refuse(const char* field, const std::string& found, const std::string& want) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": found ", found, ", want ", want));
}

absl::Status CheckText(const char* field, const std::string& text, size_t max_bytes) {
  if (text.size() > max_bytes) {
    return Refuse(field, absl::StrCat(text.size(), " bytes"), absl::StrCat("at most ", max_bytes));
  }
  if (std::any_of(text.begin(), text.end(), absl::ascii_iscntrl)) {
    return Refuse(field, "a control character", "printable text");
  }
  return absl::OkStatus();
}

absl::Status CheckName(const char* field, const std::string& text) {
  if (text.empty()) return Refuse(field, "nothing", "text");
  return CheckText(field, text, kMaxNameBytes);
}

absl::Status CheckSha256(const char* field, const std::string& text) {
  if (IsSha256Hex(text)) return absl::OkStatus();
  return Refuse(field, absl::StrCat(text.size(), " bytes"), "64 lower-case hexadecimal digits");
}

absl::Status CheckRange(const char* field, uint64_t value, uint64_t least, uint64_t most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return Refuse(field, absl::StrCat(value), absl::StrCat("between ", least, " and ", most));
}

absl::Status CheckUnixAddress(const char* field, const std::string& text) {
  if (text.empty() || IsUnixAddress(text)) return absl::OkStatus();
  return Refuse(field, Printable(text), "unix:/PATH");
}

std::string Printable(absl::string_view text) {
  std::string printable(text.substr(0, kMaxReasonBytes));
  std::replace_if(printable.begin(), printable.end(), absl::ascii_iscntrl, ' ');
  return printable;
}

absl::Status CheckEpoch(uint64_t epoch) {
  return CheckRange("epoch", epoch, 1, std::numeric_limits<uint64_t>::max());
}

absl::Status CheckPeerAddress(const char* field, const std::string& text) {
  TERN_ASSIGN_OR_RETURN(const Address address, ParseAddress(field, text));
  return CheckRange(field, address.port, 1, 65535);
}

}  // namespace tern
