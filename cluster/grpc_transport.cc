// SPDX-License-Identifier: MIT
#include "cluster/grpc_transport.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <cstring>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "cluster/clock.h"
#include "cluster/frame_codec.h"
#include "cluster/grpc_link.h"
#include "cluster/grpc_util.h"
#include "cluster/messages.h"

namespace tern {
namespace {

constexpr absl::Duration kConnectTimeout = absl::Seconds(5);

// What a message's bytes belong to.
struct HeldFrame {
  Frame frame;
  EncodedFrame encoded;
};

// The frame as a message whose activations stay where they are: the message owns them.
grpc::ByteBuffer ToMessage(Frame frame, WireType wire) {
  auto held = std::make_unique<HeldFrame>(HeldFrame{std::move(frame), {}});
  held->encoded = EncodeFrame(held->frame, wire);
  std::vector<grpc::Slice> slices{grpc::Slice(held->encoded.head)};
  const std::span<const uint8_t> body = held->encoded.body;
  if (!body.empty()) {
    slices.emplace_back(
        const_cast<uint8_t*>(body.data()), body.size(),
        [](void* owned) { delete static_cast<HeldFrame*>(owned); }, held.release());
  }
  return grpc::ByteBuffer(slices.data(), slices.size());
}

// What the receiver says it took; 0 for what is no such message.
uint64_t TakenOf(const grpc::ByteBuffer& message) {
  grpc::Slice bytes;
  uint64_t taken = 0;
  if (message.Length() != sizeof(taken)) return 0;
  if (!message.TrySingleSlice(&bytes).ok() && !message.DumpToSingleSlice(&bytes).ok()) return 0;
  std::memcpy(&taken, bytes.begin(), sizeof(taken));
  return taken;
}

// One Link call. Every Start* is called under mu_ while the hold is kept, so that the call cannot
// end in between; callbacks of gRPC never run inside Start*.
class LinkCall final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  LinkCall(const std::string& address, uint64_t epoch, WireType wire, LinkEvents events)
      : address_(address), wire_(wire), events_(std::move(events)), stub_(ConnectTo(address)) {
    context_.AddMetadata(kEpochKey, absl::StrCat(epoch));
    context_.AddMetadata(kProtocolKey, absl::StrCat(kProtocolVersion));
    stub_.PrepareBidiStreamingCall(&context_, kLinkMethod, grpc::StubOptions(), this);
    AddHold();
    StartRead(&taken_message_);
    StartCall();
  }

  // Waits until the receiver has accepted the link.
  absl::Status WaitAccepted() ABSL_LOCKS_EXCLUDED(mu_) {
    const absl::Time deadline = MonotonicNow() + kConnectTimeout;
    MutexLock lock(mu_);
    while (!accepted_ && !done_ && MonotonicNow() < deadline) {
      wake_.WaitFor(mu_, deadline - MonotonicNow());
    }
    if (done_) return *done_;
    report_ = accepted_;
    if (accepted_) return absl::OkStatus();
    return absl::UnavailableError(absl::StrCat("link to ", address_, ": no answer within ",
                                               absl::FormatDuration(kConnectTimeout)));
  }

  void Send(Frame frame) ABSL_LOCKS_EXCLUDED(mu_) {
    grpc::ByteBuffer message = ToMessage(std::move(frame), wire_);
    MutexLock lock(mu_);
    if (ended_) return;
    queue_.push_back(std::move(message));
    WriteNext();
  }

  // Ends the call; when it returns, no callback runs or will run.
  void Close() ABSL_LOCKS_EXCLUDED(mu_) {
    {
      MutexLock lock(mu_);
      report_ = false;
    }
    context_.TryCancel();
    MutexLock lock(mu_);
    while (!done_ || callbacks_ > 0) wake_.Wait(mu_);
  }

  void OnReadInitialMetadataDone(bool ok) override ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    accepted_ = ok;
    if (ok) window_ = Window();
    wake_.NotifyAll();
  }

  // The receiver tells how many frames it took; whatever else it sends, or ends, ends the link.
  void OnReadDone(bool ok) override ABSL_LOCKS_EXCLUDED(mu_) {
    const uint64_t taken = ok ? TakenOf(taken_message_) : 0;
    {
      MutexLock lock(mu_);
      if (!ok || taken <= taken_ || taken > sent_) {
        if (ok) context_.TryCancel();
        ended_ = true;
        RemoveHold();
        return;
      }
      taken_ = taken;
      ++callbacks_;
      WriteNext();
    }
    if (events_.on_taken) events_.on_taken(taken);
    MutexLock lock(mu_);
    --callbacks_;
    wake_.NotifyAll();
    StartRead(&taken_message_);
  }

  void OnWriteDone(bool ok) override ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    is_writing_ = false;
    queue_.pop_front();
    if (!ok || ended_) {
      queue_.clear();
    } else {
      WriteNext();
    }
  }

  void OnDone(const grpc::Status& status) override ABSL_LOCKS_EXCLUDED(mu_) {
    const absl::Status reason = EndOf(status);
    {
      MutexLock lock(mu_);
      done_ = reason;
      wake_.NotifyAll();
      if (!report_ || !events_.on_failure) return;
      ++callbacks_;
    }
    events_.on_failure(reason);
    MutexLock lock(mu_);
    --callbacks_;
    wake_.NotifyAll();
  }

 private:
  // Writes the next frame, if there is one and the receiver has room for it.
  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (is_writing_ || ended_ || queue_.empty()) return;
    if (window_ > 0 && sent_ - taken_ >= window_) return;
    is_writing_ = true;
    ++sent_;
    StartWrite(&queue_.front());
  }

  // How many frames may be on their way; 0: any number.
  uint64_t Window() const {
    const auto& metadata = context_.GetServerInitialMetadata();
    const auto found = metadata.find(kWindowKey);
    uint64_t window = 0;
    if (found == metadata.end()) return 0;
    return absl::SimpleAtoi(std::string(found->second.data(), found->second.size()), &window)
               ? window
               : 0;
  }

  absl::Status EndOf(const grpc::Status& status) const {
    if (status.ok()) {
      return absl::UnavailableError(absl::StrCat("link to ", address_, ": the receiver closed it"));
    }
    return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                        absl::StrCat("link to ", address_, ": ", status.error_message()));
  }

  const std::string address_;
  const WireType wire_;
  const LinkEvents events_;
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::ByteBuffer taken_message_;

  Mutex mu_;
  CondVar wake_;
  std::deque<grpc::ByteBuffer> queue_ ABSL_GUARDED_BY(mu_);
  bool is_writing_ ABSL_GUARDED_BY(mu_) = false;  // the first of the queue
  uint64_t window_ ABSL_GUARDED_BY(mu_) = 0;      // see Window
  uint64_t sent_ ABSL_GUARDED_BY(mu_) = 0;        // frames, the one being written among them
  uint64_t taken_ ABSL_GUARDED_BY(mu_) = 0;       // of those, as the receiver told
  bool accepted_ ABSL_GUARDED_BY(mu_) = false;
  bool ended_ ABSL_GUARDED_BY(mu_) = false;   // nothing more may be written
  bool report_ ABSL_GUARDED_BY(mu_) = false;  // a failure is to be reported
  int callbacks_ ABSL_GUARDED_BY(mu_) = 0;    // of events_, running now
  std::optional<absl::Status> done_ ABSL_GUARDED_BY(mu_);
};

class GrpcFrameSender final : public FrameSender {
 public:
  explicit GrpcFrameSender(std::unique_ptr<LinkCall> call) : call_(std::move(call)) {}
  ~GrpcFrameSender() override { call_->Close(); }
  void Send(Frame frame) override { call_->Send(std::move(frame)); }

 private:
  const std::unique_ptr<LinkCall> call_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<FrameSender>> GrpcTransport::Connect(const std::string& address,
                                                                    LinkEvents events) {
  auto sender = std::make_unique<LinkCall>(address, epoch_, wire_, std::move(events));
  const absl::Status accepted = sender->WaitAccepted();
  if (!accepted.ok()) {
    sender->Close();
    return accepted;
  }
  return std::make_unique<GrpcFrameSender>(std::move(sender));
}

}  // namespace tern
