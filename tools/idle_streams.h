// SPDX-License-Identifier: MIT
// Clients of a coordinator that ask for nothing, for `tern bench cluster`.
#ifndef TERN_TOOLS_IDLE_STREAMS_H_
#define TERN_TOOLS_IDLE_STREAMS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "tools/deployment.h"

namespace tern {

// Opens so many streams at the coordinator, which the object holds: each watches its health, on a
// connection of its own, as of a client that pings it now and then. RESOURCE_EXHAUSTED if this
// process may not have so many files open; UNAVAILABLE if the coordinator does not answer one.
absl::StatusOr<std::unique_ptr<HeldStreams>> OpenIdleStreams(const std::string& coordinator,
                                                             uint32_t streams);

}  // namespace tern

#endif  // TERN_TOOLS_IDLE_STREAMS_H_
