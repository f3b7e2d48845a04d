// SPDX-License-Identifier: MIT
#include <grpcpp/grpcpp.h>

#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "cluster/frame_codec.h"
#include "cluster/grpc_link.h"
#include "cluster/grpc_transport.h"
#include "cluster/grpc_util.h"
#include "cluster/messages.h"
#include "proto/stage.grpc.pb.h"

namespace tern {
namespace {

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

class LinkReactor;

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
  void SetSession(std::shared_ptr<const Session> session) ABSL_LOCKS_EXCLUDED(mu_);

  // The session that a link with this metadata may be opened under.
  absl::StatusOr<std::shared_ptr<const Session>> Open(const grpc::CallbackServerContext& context)
      ABSL_LOCKS_EXCLUDED(mu_);

  // Decodes a message of `link` and hands it to the session's handler, unless the session is over.
  absl::Status Deliver(const std::shared_ptr<const Session>& session,
                       const std::shared_ptr<LinkReactor>& link, const grpc::ByteBuffer& message)
      ABSL_LOCKS_EXCLUDED(mu_);

  // The first frame that was delivered and not yet taken has been taken.
  void Credit() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  static absl::Status DecodeAndHandle(const Session& session, const grpc::ByteBuffer& message);

  Mutex mu_;
  CondVar no_handler_;
  std::shared_ptr<const Session> session_ ABSL_GUARDED_BY(mu_);
  int handlers_ ABSL_GUARDED_BY(mu_) = 0;  // running now
  // The links of the frames that wait to be taken, if links have windows.
  std::deque<std::shared_ptr<LinkReactor>> waiting_ ABSL_GUARDED_BY(mu_);
};

// The receiving end of one link: reads one frame after the other, and writes how many were taken.
// Every StartWrite and Finish is called under mu_, and none after Finish; gRPC's callbacks never
// run inside them. Keeps itself until gRPC is done with it.
class LinkReactor final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  static LinkReactor* Start(LinkService& service, grpc::CallbackServerContext& context) {
    auto reactor = std::make_shared<LinkReactor>(service);
    reactor->self_ = reactor;
    reactor->Begin(context);
    return reactor.get();
  }

  explicit LinkReactor(LinkService& service) : service_(service) {}

  void Credit() ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    ++taken_;
    WriteTaken();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return End(absl::OkStatus());
    const absl::Status delivered = service_.Deliver(session_, self_, message_);
    if (!delivered.ok()) return End(delivered);
    message_.Clear();
    StartRead(&message_);
  }

  void OnWriteDone(bool ok) override ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    is_writing_ = false;
    if (end_.has_value()) {
      Finish(ToGrpc(*end_));
    } else if (ok) {
      WriteTaken();
    }
  }

  void OnDone() override { self_.reset(); }

 private:
  void Begin(grpc::CallbackServerContext& context) {
    absl::StatusOr<std::shared_ptr<const LinkService::Session>> session = service_.Open(context);
    if (!session.ok()) return End(session.status());
    session_ = *std::move(session);
    if (session_->limits.window > 0) {
      context.AddInitialMetadata(kWindowKey, absl::StrCat(session_->limits.window));
    }
    StartSendInitialMetadata();  // the sender waits for it
    StartRead(&message_);
  }

  // What is taken while a number is on its way goes with the next.
  void WriteTaken() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (is_writing_ || end_.has_value() || told_ == taken_) return;
    told_ = taken_;
    is_writing_ = true;
    const grpc::Slice slice(&told_, sizeof(told_));
    taken_message_ = grpc::ByteBuffer(&slice, 1);
    StartWrite(&taken_message_);
  }

  void End(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    if (end_.has_value()) return;
    end_ = status;
    if (!is_writing_) Finish(ToGrpc(status));
  }

  LinkService& service_;
  std::shared_ptr<LinkReactor> self_;
  std::shared_ptr<const LinkService::Session> session_;
  grpc::ByteBuffer message_;

  Mutex mu_;
  uint64_t taken_ ABSL_GUARDED_BY(mu_) = 0;  // frames
  uint64_t told_ ABSL_GUARDED_BY(mu_) = 0;   // of those, to the sender
  bool is_writing_ ABSL_GUARDED_BY(mu_) = false;
  grpc::ByteBuffer taken_message_ ABSL_GUARDED_BY(mu_);
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mu_);  // Finish has been or will be called
};

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* LinkService::Link(
    grpc::CallbackServerContext* context) {
  return LinkReactor::Start(*this, *context);
}

void LinkService::SetSession(std::shared_ptr<const Session> session) {
  std::deque<std::shared_ptr<LinkReactor>> dropped;
  MutexLock lock(mu_);
  session_ = std::move(session);
  dropped.swap(waiting_);
  while (handlers_ > 0) no_handler_.Wait(mu_);
}

absl::StatusOr<std::shared_ptr<const LinkService::Session>> LinkService::Open(
    const grpc::CallbackServerContext& context) {
  TERN_RETURN_IF_ERROR(CheckMetadata(context, kProtocolKey, kProtocolVersion));
  MutexLock lock(mu_);
  if (session_ == nullptr) {
    return absl::FailedPreconditionError("link refused: no stage is prepared here");
  }
  TERN_RETURN_IF_ERROR(CheckMetadata(context, kEpochKey, session_->limits.epoch));
  return session_;
}

absl::Status LinkService::Deliver(const std::shared_ptr<const Session>& session,
                                  const std::shared_ptr<LinkReactor>& link,
                                  const grpc::ByteBuffer& message) {
  {
    MutexLock lock(mu_);
    if (session_ != session) {
      return absl::FailedPreconditionError(
          absl::StrCat("epoch ", session->limits.epoch, " is over"));
    }
    ++handlers_;
    // Before the handler: the frame may be taken before that returns.
    if (session->limits.window > 0) waiting_.push_back(link);
  }
  absl::Status status = DecodeAndHandle(*session, message);
  MutexLock lock(mu_);
  --handlers_;
  no_handler_.NotifyAll();
  return status;
}

void LinkService::Credit() {
  std::shared_ptr<LinkReactor> link;
  {
    MutexLock lock(mu_);
    if (waiting_.empty()) return;  // of a session that is over
    link = std::move(waiting_.front());
    waiting_.pop_front();
  }
  link->Credit();
}

absl::Status LinkService::DecodeAndHandle(const Session& session, const grpc::ByteBuffer& message) {
  grpc::Slice bytes;
  if (!message.TrySingleSlice(&bytes).ok() && !message.DumpToSingleSlice(&bytes).ok()) {
    return absl::DataLossError("frame: the message cannot be read");
  }
  TERN_ASSIGN_OR_RETURN(Frame frame, DecodeFrame({bytes.begin(), bytes.size()}, session.limits));
  session.handler(std::move(frame));
  return absl::OkStatus();
}

}  // namespace

class GrpcFrameReceiver::Impl final : public LinkService {};

GrpcFrameReceiver::GrpcFrameReceiver() : impl_(std::make_unique<Impl>()) {}
GrpcFrameReceiver::~GrpcFrameReceiver() = default;

void GrpcFrameReceiver::Accept(const FrameLimits& limits, FrameHandler handler) {
  impl_->SetSession(std::make_shared<const LinkService::Session>(
      LinkService::Session{limits, std::move(handler)}));
}

void GrpcFrameReceiver::Refuse() { impl_->SetSession(nullptr); }
void GrpcFrameReceiver::Credit() { impl_->Credit(); }
grpc::Service* GrpcFrameReceiver::service() { return impl_.get(); }

}  // namespace tern
