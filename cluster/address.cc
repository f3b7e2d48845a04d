// SPDX-License-Identifier: MIT
#include "cluster/address.h"

#include <arpa/inet.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace tern {
namespace {

constexpr size_t kMaxHostBytes = 253;  // of a DNS name (RFC 1035)

bool IsIpv6(const std::string& host) {
  in6_addr parsed;
  return inet_pton(AF_INET6, host.c_str(), &parsed) == 1;
}

// A DNS name or an IPv4 address, as far as one can tell without looking it up.
bool IsName(const std::string& host) {
  return !host.empty() && host.size() <= kMaxHostBytes &&
         std::all_of(host.begin(), host.end(), [](unsigned char c) {
           return absl::ascii_isalnum(c) || c == '.' || c == '-' || c == '_';
         });
}

bool ParsePort(const std::string& text, uint16_t* port) {
  uint32_t number = 0;
  const bool digits = !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
  if (!digits || !absl::SimpleAtoi(text, &number) || number > 65535) return false;
  *port = static_cast<uint16_t>(number);
  return true;
}

}  // namespace

std::string Address::ToString() const {
  return host.find(':') == std::string::npos ? absl::StrCat(host, ":", port)
                                             : absl::StrCat("[", host, "]:", port);
}

absl::StatusOr<Address> ParseAddress(const std::string& what, const std::string& text) {
  Address address;
  const size_t colon = text.rfind(':');
  if (colon != std::string::npos && ParsePort(text.substr(colon + 1), &address.port)) {
    address.host = text.substr(0, colon);
    if (IsName(address.host)) return address;
    if (address.host.size() > 2 && address.host.front() == '[' && address.host.back() == ']') {
      address.host = address.host.substr(1, address.host.size() - 2);
      if (IsIpv6(address.host)) return address;
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat(what, ": found '", text, "', want HOST:PORT, e.g. 127.0.0.1:7000"));
}

bool IsLoopback(const std::string& host) {
  if (host == "localhost") return true;
  in_addr v4;
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6;
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

absl::Status CheckPlaintext(const std::string& flag, const Address& address, bool insecure) {
  if (insecure || IsLoopback(address.host)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(flag, " ", address.ToString(),
                   ": not on loopback, and connections are neither encrypted nor authenticated "
                   "(TLS is not there "
                   "yet); give --insecure if everyone on that network may join and read"));
}

}  // namespace tern
