// SPDX-License-Identifier: MIT
// What both ends of a link over a unix socket agree on (docs/protocol.md, Links). For
// unix_transport.cc and unix_receiver.cc.
#ifndef TERN_CLUSTER_UNIX_LINK_H_
#define TERN_CLUSTER_UNIX_LINK_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tern {

static_assert(std::endian::native == std::endian::little, "numbers are sent as they are");

// The sender's first bytes.
struct LinkOpening {
  uint32_t magic = kMagic;
  uint32_t protocol = 0;
  uint64_t epoch = 0;

  static constexpr uint32_t kMagic = 0x4c4e5254;  // "TRNL"
};
static_assert(sizeof(LinkOpening) == 16);

// Before each frame: its bytes.
using FrameLength = uint64_t;

// What the receiver says.
struct LinkNotice {
  enum Kind : uint32_t {
    kAccepted = 1,  // first, if at all; `value` is the window (FrameLimits)
    kTaken = 2,     // `value` is the number of frames taken off the queue so far
    kRefused = 3,   // last; `value` is an absl::StatusCode
  };
  uint32_t kind = 0;
  uint32_t text_bytes = 0;  // of the reason that follows; 0 unless refused
  uint64_t value = 0;

  static constexpr uint32_t kMaxTextBytes = 4096;
};
static_assert(sizeof(LinkNotice) == 16);

// Reads exactly `bytes`; waits for them. UNAVAILABLE if the peer closed the link, or with the
// system's reason.
absl::Status ReadExactly(int socket, void* to, size_t bytes);

// Reads a notice. The reason of a refusal is the error. INTERNAL for what is none.
absl::StatusOr<LinkNotice> ReadNotice(int socket);

}  // namespace tern

#endif  // TERN_CLUSTER_UNIX_LINK_H_
