// SPDX-License-Identifier: MIT
// Frames to and from bytes (docs/protocol.md, Frames). Nothing from the wire is trusted: sizes are
// checked against the committed plan, and a CRC-32C covers everything.
#ifndef TERN_CLUSTER_FRAME_CODEC_H_
#define TERN_CLUSTER_FRAME_CODEC_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "base/aligned_buffer.h"
#include "cluster/frame.h"
#include "model/config.h"

namespace tern {

// The largest frame that anybody takes: 1024 rows of 16,384 floats, and some more.
inline constexpr size_t kMaxFrameBytes = (size_t{64} << 20) + (size_t{1} << 20);

// The bounds that the committed plan sets on frames.
struct FrameLimits {
  uint64_t epoch = 0;
  uint32_t dim = 0;
  uint32_t vocab = 0;
  uint32_t outputs = 0;  // of a row: ModelConfig::outputs()
  uint32_t context = 0;
  uint64_t kv_pages = 0;
  uint32_t max_rows = 0;       // of a step
  bool expect_hidden = false;  // false on the way into stage 0
  WireType wire = WireType::kF32;
  // Frames that a link's sender may have sent and not yet been told as taken
  // (FrameReceiver::Credit); 0: any number, and nothing is told.
  uint32_t window = 0;
};

// Of links into the first stage of a plan and out of its last: float32, no activations, no window.
FrameLimits LimitsOf(uint64_t epoch, const ModelConfig& config, uint64_t kv_pages,
                     uint32_t max_rows);

// A frame as bytes: everything but the activations, and the activations, so that a transport can
// send them without a copy. `body` borrows from the frame, or from `rounded`.
struct EncodedFrame {
  std::string head;                 // header and descriptors
  std::span<const uint8_t> body;    // hidden as little-endian float32 or bf16, or empty
  AlignedBuffer<uint16_t> rounded;  // what body is, where that is not the frame's own floats
};
EncodedFrame EncodeFrame(const Frame& frame, WireType wire = WireType::kF32);

// Decodes `bytes` (head followed by body). DATA_LOSS for bytes that are no frame, a wrong checksum
// or sizes that disagree; FAILED_PRECONDITION for another protocol version or epoch;
// INVALID_ARGUMENT for a frame beyond `limits`. Allocates nothing before the sizes are checked.
absl::StatusOr<Frame> DecodeFrame(std::span<const uint8_t> bytes, const FrameLimits& limits);

}  // namespace tern

#endif  // TERN_CLUSTER_FRAME_CODEC_H_
