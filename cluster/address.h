// SPDX-License-Identifier: MIT
// Network addresses as people write them, "host:port", checked.
#ifndef TERN_CLUSTER_ADDRESS_H_
#define TERN_CLUSTER_ADDRESS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace tern {

struct Address {
  std::string host;  // a name, an IPv4 address, or an IPv6 address without its brackets
  uint16_t port = 0;

  // "host:port", with brackets around an IPv6 address.
  std::string ToString() const;
};

// Parses "host:port" or "[ipv6]:port". INVALID_ARGUMENT, naming `what`, for anything else; port 0
// is allowed.
absl::StatusOr<Address> ParseAddress(const std::string& what, const std::string& text);

// Whether `host` can only be reached from this machine: "localhost", 127.x.x.x or ::1.
bool IsLoopback(const std::string& host);

// FAILED_PRECONDITION if `address`, given by the flag `flag`, is not on loopback, unless
// `insecure`: connections are neither encrypted nor authenticated.
absl::Status CheckPlaintext(const std::string& flag, const Address& address, bool insecure);

}  // namespace tern

#endif  // TERN_CLUSTER_ADDRESS_H_
