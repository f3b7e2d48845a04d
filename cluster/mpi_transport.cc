// SPDX-License-Identifier: MIT
#include "cluster/mpi_transport.h"

#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace tern {
namespace {

// Beyond what a plan bounds: headers, and the sequences that a step releases, of which a job has
// few thousand at most.
constexpr size_t kSlackBytes = 64 << 10;
constexpr size_t kSegmentBytes = 64;
constexpr size_t kResultBytes = 256;  // with its likely tokens; batches ask for no logits

// Receives of a link: while one message is decoded, another may come. More would not be faster: it
// is the thread of MPI that decodes, and nothing moves without it.
constexpr size_t kSlots = 2;

// A link is two channels: frames there, and back how many of them were taken.
uint32_t FramesOf(uint32_t link) { return 2 * link; }
uint32_t CreditsOf(uint32_t link) { return 2 * link + 1; }

// Of any frame within `limits`.
size_t MostBytes(const FrameLimits& limits) {
  const size_t hidden = limits.expect_hidden ? limits.dim * sizeof(float) : 0;
  const size_t pages = KvPagesFor(limits.context) * sizeof(uint32_t);
  const size_t row = hidden + kSegmentBytes + kResultBytes + pages + sizeof(TokenId);
  return kSlackBytes + limits.max_rows * row;
}

class Sender final : public FrameSender {
 public:
  Sender(MpiWorld* world, int to, uint32_t channel, LinkEvents events)
      : world_(world), to_(to), channel_(channel), listens_(events.on_taken != nullptr) {
    if (!listens_) return;
    world_->Listen(to, CreditsOf(channel), sizeof(uint64_t), kSlots,
                   [tell = std::move(events.on_taken)](std::span<const uint8_t> bytes) {
                     uint64_t frames = 0;
                     if (bytes.size() != sizeof(frames)) return;
                     std::memcpy(&frames, bytes.data(), sizeof(frames));
                     tell(frames);
                   });
  }
  ~Sender() override {
    if (listens_) world_->StopListening(CreditsOf(channel_));
  }

  void Send(Frame frame) override {
    EncodedFrame encoded = EncodeFrame(frame);
    encoded.head.append(reinterpret_cast<const char*>(encoded.body.data()), encoded.body.size());
    world_->Send(to_, FramesOf(channel_), std::move(encoded.head));
  }

 private:
  MpiWorld* const world_;
  const int to_;
  const uint32_t channel_;
  const bool listens_;  // for credits
};

}  // namespace

std::string MpiAddress(int rank, uint32_t channel) { return absl::StrCat(rank, "/", channel); }

absl::StatusOr<std::unique_ptr<FrameSender>> MpiTransport::Connect(const std::string& address,
                                                                   LinkEvents events) {
  const std::vector<std::string> parts = absl::StrSplit(address, '/');
  int rank = -1;
  uint32_t channel = 0;
  if (parts.size() == 2 && absl::SimpleAtoi(parts[0], &rank) && rank >= 0 &&
      rank < world_->size() && absl::SimpleAtoi(parts[1], &channel)) {
    return std::make_unique<Sender>(world_, rank, channel, std::move(events));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "address: found ", address, ", want RANK/CHANNEL of ", world_->size(), " ranks"));
}

MpiFrameReceiver::MpiFrameReceiver(MpiWorld* world, int from, uint32_t channel,
                                   std::function<void(absl::Status)> on_failure)
    : world_(world), from_(from), channel_(channel), on_failure_(std::move(on_failure)) {}

MpiFrameReceiver::~MpiFrameReceiver() { Refuse(); }

void MpiFrameReceiver::Accept(const FrameLimits& limits, FrameHandler handler) {
  const auto decode = [limits, handler = std::move(handler), fail = on_failure_,
                       broken = false](std::span<const uint8_t> bytes) mutable {
    if (broken) return;
    absl::StatusOr<Frame> frame = DecodeFrame(bytes, limits);
    if (frame.ok()) return handler(*std::move(frame));
    broken = true;
    fail(frame.status());
  };
  world_->Listen(from_, FramesOf(channel_), MostBytes(limits), kSlots, decode);
}

void MpiFrameReceiver::Refuse() { world_->StopListening(FramesOf(channel_)); }

void MpiFrameReceiver::Credit() {
  std::string message(sizeof(uint64_t), '\0');
  MutexLock lock(mu_);  // also while it is queued: numbers only grow
  ++taken_;
  std::memcpy(message.data(), &taken_, sizeof(taken_));
  world_->Send(from_, CreditsOf(channel_), std::move(message));
}

}  // namespace tern
