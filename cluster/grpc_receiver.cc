// SPDX-License-Identifier: MIT
#include "cluster/grpc_receiver.h"

#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "cluster/grpc_link.h"
#include "cluster/grpc_util.h"
#include "cluster/link_sessions.h"
#include "proto/stage.grpc.pb.h"

namespace tern {
namespace {

// The number that the client sent under `key`; nothing if it sent none.
std::optional<uint64_t> NumberOf(const grpc::CallbackServerContext& context, const char* key) {
  const auto found = context.client_metadata().find(key);
  uint64_t number = 0;
  if (found == context.client_metadata().end() ||
      !absl::SimpleAtoi(std::string(found->second.data(), found->second.size()), &number)) {
    return std::nullopt;
  }
  return number;
}

// The receiving end of one link: reads one frame after the other, and writes how many were taken.
// Every StartWrite and Finish is called under mu_, and none after Finish; gRPC's callbacks never
// run inside them. Keeps itself until gRPC is done with it.
class LinkReactor final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                          public ReceivingLink {
 public:
  static LinkReactor* Start(LinkSessions& sessions, grpc::CallbackServerContext& context) {
    auto reactor = std::make_shared<LinkReactor>(sessions);
    reactor->self_ = reactor;
    reactor->Begin(context);
    return reactor.get();
  }

  explicit LinkReactor(LinkSessions& sessions) : sessions_(sessions) {}

  void Credit() override ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    ++taken_;
    WriteTaken();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return End(absl::OkStatus());
    const absl::Status delivered = Deliver();
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
    absl::StatusOr<std::shared_ptr<const LinkSessions::Session>> session =
        sessions_.Open(NumberOf(context, kProtocolKey), NumberOf(context, kEpochKey));
    if (!session.ok()) return End(session.status());
    session_ = *std::move(session);
    if (session_->limits.window > 0) {
      context.AddInitialMetadata(kWindowKey, absl::StrCat(session_->limits.window));
    }
    StartSendInitialMetadata();  // the sender waits for it
    StartRead(&message_);
  }

  absl::Status Deliver() {
    grpc::Slice bytes;
    if (!message_.TrySingleSlice(&bytes).ok() && !message_.DumpToSingleSlice(&bytes).ok()) {
      return absl::DataLossError("frame: the message cannot be read");
    }
    return sessions_.Deliver(session_, self_, {bytes.begin(), bytes.size()});
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

  LinkSessions& sessions_;
  std::shared_ptr<LinkReactor> self_;
  std::shared_ptr<const LinkSessions::Session> session_;
  grpc::ByteBuffer message_;

  Mutex mu_;
  uint64_t taken_ ABSL_GUARDED_BY(mu_) = 0;  // frames
  uint64_t told_ ABSL_GUARDED_BY(mu_) = 0;   // of those, to the sender
  bool is_writing_ ABSL_GUARDED_BY(mu_) = false;
  grpc::ByteBuffer taken_message_ ABSL_GUARDED_BY(mu_);
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mu_);  // Finish has been or will be called
};

}  // namespace

class GrpcReceiver::Service final : public v1::Stage::WithRawCallbackMethod_Link<
                                        v1::Stage::WithCallbackMethod_Probe<v1::Stage::Service>> {
 public:
  explicit Service(LinkSessions& sessions) : sessions_(sessions) {}

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Link(
      grpc::CallbackServerContext* context) override {
    return LinkReactor::Start(sessions_, *context);
  }

  grpc::ServerUnaryReactor* Probe(grpc::CallbackServerContext* context, const v1::ProbeRequest*,
                                  v1::ProbeResponse*) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  LinkSessions& sessions_;
};

GrpcReceiver::GrpcReceiver(LinkSessions& sessions)
    : service_(std::make_unique<Service>(sessions)) {}
GrpcReceiver::~GrpcReceiver() = default;

grpc::Service* GrpcReceiver::service() { return service_.get(); }

}  // namespace tern
