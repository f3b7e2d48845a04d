// SPDX-License-Identifier: MIT
// The messages by which a worker joins, and those about links, to and from protobuf. A part of
// cluster/wire.h.
#ifndef TERN_CLUSTER_JOIN_WIRE_H_
#define TERN_CLUSTER_JOIN_WIRE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cluster/messages.h"
#include "proto/cluster.pb.h"

namespace tern {

void FillHello(const Hello& from, v1::Hello& to);
void FillWelcome(const Welcome& from, v1::Welcome& to);
void FillLinkSpeed(const LinkSpeed& from, v1::LinkSpeed& to);
void FillLinkProbed(const LinkProbed& from, v1::LinkProbed& to);

// INVALID_ARGUMENT, naming the field, for what cannot be.
absl::StatusOr<Hello> ParseHello(const v1::Hello& proto);
absl::StatusOr<Welcome> ParseWelcome(const v1::Welcome& proto);
absl::StatusOr<LinkSpeed> ParseLinkSpeed(const v1::LinkSpeed& proto);
absl::StatusOr<LinkProbed> ParseLinkProbed(const v1::LinkProbed& proto);
absl::StatusOr<ProbeLink> ParseProbeLink(const v1::ProbeLink& proto);

// The status that messages carry as a code and a text. (There can be no StatusOr<Status>.)
absl::Status ParseStatus(int32_t code, const std::string& message, absl::Status& status);

}  // namespace tern

#endif  // TERN_CLUSTER_JOIN_WIRE_H_
