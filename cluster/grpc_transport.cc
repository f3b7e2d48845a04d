// SPDX-License-Identifier: MIT
#include "cluster/grpc_transport.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "cluster/clock.h"
#include "cluster/frame_codec.h"
#include "cluster/grpc_util.h"
#include "cluster/messages.h"
#include "proto/stage.grpc.pb.h"

namespace tern {
namespace {

constexpr char kLinkMethod[] = "/tern.v1.Stage/Link";
constexpr char kEpochKey[] = "tern-epoch";
constexpr char kProtocolKey[] = "tern-protocol";
constexpr absl::Duration kConnectTimeout = absl::Seconds(5);

// The frame as a message whose activations stay where they are: the message owns the frame.
grpc::ByteBuffer ToMessage(Frame frame) {
  auto held = std::make_unique<Frame>(std::move(frame));
  const EncodedFrame encoded = EncodeFrame(*held);
  std::vector<grpc::Slice> slices{grpc::Slice(encoded.head)};
  if (!encoded.body.empty()) {
    slices.emplace_back(
        const_cast<uint8_t*>(encoded.body.data()), encoded.body.size(),
        [](void* owned) { delete static_cast<Frame*>(owned); }, held.release());
  }
  return grpc::ByteBuffer(slices.data(), slices.size());
}

// --- Sending end ---

// One Link call. Every Start* is called under mu_ while the hold is kept, so that the call cannot
// end in between; callbacks of gRPC never run inside Start*.
class LinkCall final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  LinkCall(const std::string& address, uint64_t epoch, LinkFailure on_failure)
      : address_(address), on_failure_(std::move(on_failure)), stub_(ConnectTo(address)) {
    context_.AddMetadata(kEpochKey, absl::StrCat(epoch));
    context_.AddMetadata(kProtocolKey, absl::StrCat(kProtocolVersion));
    stub_.PrepareBidiStreamingCall(&context_, kLinkMethod, grpc::StubOptions(), this);
    AddHold();
    StartRead(&unexpected_);
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
    grpc::ByteBuffer message = ToMessage(std::move(frame));
    MutexLock lock(mu_);
    if (ended_) return;
    queue_.push_back(std::move(message));
    if (queue_.size() == 1) StartWrite(&queue_.front());
  }

  // Ends the call; when it returns, no callback runs or will run.
  void Close() ABSL_LOCKS_EXCLUDED(mu_) {
    {
      MutexLock lock(mu_);
      report_ = false;
    }
    context_.TryCancel();
    MutexLock lock(mu_);
    while (!done_ || reporting_) wake_.Wait(mu_);
  }

  void OnReadInitialMetadataDone(bool ok) override ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    accepted_ = ok;
    wake_.NotifyAll();
  }

  // The receiver sends nothing: whatever ends the read ends the link.
  void OnReadDone(bool ok) override ABSL_LOCKS_EXCLUDED(mu_) {
    if (ok) context_.TryCancel();
    MutexLock lock(mu_);
    ended_ = true;
    RemoveHold();
  }

  void OnWriteDone(bool ok) override ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    queue_.pop_front();
    if (!ok || ended_) {
      queue_.clear();
    } else if (!queue_.empty()) {
      StartWrite(&queue_.front());
    }
  }

  void OnDone(const grpc::Status& status) override ABSL_LOCKS_EXCLUDED(mu_) {
    const absl::Status reason = EndOf(status);
    {
      MutexLock lock(mu_);
      done_ = reason;
      reporting_ = report_;
      wake_.NotifyAll();
      if (!reporting_) return;
    }
    on_failure_(reason);
    MutexLock lock(mu_);
    reporting_ = false;
    wake_.NotifyAll();
  }

 private:
  absl::Status EndOf(const grpc::Status& status) const {
    if (status.ok()) {
      return absl::UnavailableError(absl::StrCat("link to ", address_, ": the receiver closed it"));
    }
    return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                        absl::StrCat("link to ", address_, ": ", status.error_message()));
  }

  const std::string address_;
  const LinkFailure on_failure_;
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::ByteBuffer unexpected_;

  Mutex mu_;
  CondVar wake_;
  std::deque<grpc::ByteBuffer> queue_ ABSL_GUARDED_BY(mu_);  // the first is being written
  bool accepted_ ABSL_GUARDED_BY(mu_) = false;
  bool ended_ ABSL_GUARDED_BY(mu_) = false;      // nothing more may be written
  bool report_ ABSL_GUARDED_BY(mu_) = false;     // a failure is to be reported
  bool reporting_ ABSL_GUARDED_BY(mu_) = false;  // on_failure_ runs
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

// --- Receiving end ---

// The number that the client sent under `key`. FAILED_PRECONDITION if it is not `want`.
absl::Status CheckMetadata(const grpc::CallbackServerContext& context, const char* key,
                           uint64_t want) {
  const auto found = context.client_metadata().find(key);
  std::string text = "nothing";
  uint64_t number = 0;
  if (found != context.client_metadata().end()) {
    text.assign(found->second.data(), found->second.size());
    if (absl::SimpleAtoi(text, &number) && number == want) return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat("link refused: ", key, ": found ", text, ", want ", want));
}

// Serves Link; the rest is said in the header.
class LinkService : public v1::Stage::WithRawCallbackMethod_Link<
                        v1::Stage::WithCallbackMethod_Probe<v1::Stage::Service>> {
 public:
  // What Accept was told. A link belongs to the one it was opened under.
  struct Session {
    FrameLimits limits;
    FrameHandler handler;
  };

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Link(
      grpc::CallbackServerContext* context) override;

  grpc::ServerUnaryReactor* Probe(grpc::CallbackServerContext* context, const v1::ProbeRequest*,
                                  v1::ProbeResponse*) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  // Sets the session, or none, and waits until no handler of an earlier one runs.
  void SetSession(std::shared_ptr<const Session> session) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    session_ = std::move(session);
    while (handlers_ > 0) no_handler_.Wait(mu_);
  }

  // The session that a link with this metadata may be opened under.
  absl::StatusOr<std::shared_ptr<const Session>> Open(const grpc::CallbackServerContext& context)
      ABSL_LOCKS_EXCLUDED(mu_) {
    TERN_RETURN_IF_ERROR(CheckMetadata(context, kProtocolKey, kProtocolVersion));
    MutexLock lock(mu_);
    if (session_ == nullptr) {
      return absl::FailedPreconditionError("link refused: no stage is prepared here");
    }
    TERN_RETURN_IF_ERROR(CheckMetadata(context, kEpochKey, session_->limits.epoch));
    return session_;
  }

  // Decodes a message and hands it to the session's handler, unless the session is over.
  absl::Status Deliver(const std::shared_ptr<const Session>& session,
                       const grpc::ByteBuffer& message) ABSL_LOCKS_EXCLUDED(mu_) {
    {
      MutexLock lock(mu_);
      if (session_ != session) {
        return absl::FailedPreconditionError(
            absl::StrCat("epoch ", session->limits.epoch, " is over"));
      }
      ++handlers_;
    }
    absl::Status status = DecodeAndHandle(*session, message);
    MutexLock lock(mu_);
    --handlers_;
    no_handler_.NotifyAll();
    return status;
  }

 private:
  static absl::Status DecodeAndHandle(const Session& session, const grpc::ByteBuffer& message) {
    grpc::Slice bytes;
    if (!message.TrySingleSlice(&bytes).ok() && !message.DumpToSingleSlice(&bytes).ok()) {
      return absl::DataLossError("frame: the message cannot be read");
    }
    TERN_ASSIGN_OR_RETURN(Frame frame, DecodeFrame({bytes.begin(), bytes.size()}, session.limits));
    session.handler(std::move(frame));
    return absl::OkStatus();
  }

  Mutex mu_;
  CondVar no_handler_;
  std::shared_ptr<const Session> session_ ABSL_GUARDED_BY(mu_);
  int handlers_ ABSL_GUARDED_BY(mu_) = 0;  // running now
};

// The receiving end of one link: reads one frame after the other. Deletes itself when gRPC is done
// with it.
class LinkReactor final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  LinkReactor(LinkService& service, const grpc::CallbackServerContext& context)
      : service_(service) {
    absl::StatusOr<std::shared_ptr<const LinkService::Session>> session = service.Open(context);
    if (!session.ok()) {
      Finish(ToGrpc(session.status()));
      return;
    }
    session_ = *std::move(session);
    StartSendInitialMetadata();  // the sender waits for it
    StartRead(&message_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      Finish(grpc::Status::OK);
      return;
    }
    const absl::Status delivered = service_.Deliver(session_, message_);
    if (!delivered.ok()) {
      Finish(ToGrpc(delivered));
      return;
    }
    message_.Clear();
    StartRead(&message_);
  }

  void OnDone() override { delete this; }

 private:
  LinkService& service_;
  std::shared_ptr<const LinkService::Session> session_;
  grpc::ByteBuffer message_;
};

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* LinkService::Link(
    grpc::CallbackServerContext* context) {
  return std::make_unique<LinkReactor>(*this, *context).release();
}

}  // namespace

absl::StatusOr<std::unique_ptr<FrameSender>> GrpcTransport::Connect(const std::string& address,
                                                                    LinkFailure on_failure) {
  auto sender = std::make_unique<LinkCall>(address, epoch_, std::move(on_failure));
  const absl::Status accepted = sender->WaitAccepted();
  if (!accepted.ok()) {
    sender->Close();
    return accepted;
  }
  return std::make_unique<GrpcFrameSender>(std::move(sender));
}

class GrpcFrameReceiver::Impl final : public LinkService {};

GrpcFrameReceiver::GrpcFrameReceiver() : impl_(std::make_unique<Impl>()) {}
GrpcFrameReceiver::~GrpcFrameReceiver() = default;

void GrpcFrameReceiver::Accept(const FrameLimits& limits, FrameHandler handler) {
  impl_->SetSession(std::make_shared<const LinkService::Session>(
      LinkService::Session{limits, std::move(handler)}));
}

void GrpcFrameReceiver::Refuse() { impl_->SetSession(nullptr); }

grpc::Service* GrpcFrameReceiver::service() { return impl_.get(); }

}  // namespace tern
