// SPDX-License-Identifier: MIT
#include "coordinator/cluster_service.h"

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "cluster/grpc_util.h"
#include "cluster/join_wire.h"
#include "cluster/wire.h"
#include "coordinator/status_wire.h"
#include "proto/cluster.grpc.pb.h"

namespace tern {
namespace {

// One worker's stream. Every Start* and Finish is called under mu_, and none after Finish; gRPC's
// callbacks never run inside them. Keeps itself until gRPC is done with it.
class JoinReactor final : public grpc::ServerBidiReactor<v1::WorkerMessage, v1::CoordinatorMessage>,
                          public WorkerStream {
 public:
  static JoinReactor* Start(Controller& controller) {
    auto reactor = std::make_shared<JoinReactor>(controller);
    reactor->self_ = reactor;
    reactor->worker_ = controller.Connect(reactor);
    reactor->StartRead(&reactor->incoming_);
    return reactor.get();
  }

  explicit JoinReactor(Controller& controller) : controller_(controller) {}

  void Send(const CoordinatorMessage& message) override ABSL_LOCKS_EXCLUDED(mu_) {
    v1::CoordinatorMessage proto = ToProto(message);
    MutexLock lock(mu_);
    if (end_.has_value()) return;
    outgoing_.push_back(std::move(proto));
    if (outgoing_.size() == 1) StartWrite(&outgoing_.front());
  }

  void End(const absl::Status& status) override ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    if (end_.has_value()) return;
    end_ = status;
    if (outgoing_.empty()) Finish(ToGrpc(status));
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      controller_.OnGone(worker_, "its stream broke");
      return End(absl::OkStatus());
    }
    absl::StatusOr<WorkerMessage> message = FromProto(incoming_);
    if (!message.ok()) {
      controller_.OnGone(worker_, absl::StrCat("it sent nonsense: ", message.status().message()));
      return End(message.status());
    }
    controller_.OnMessage(worker_, *std::move(message));
    StartRead(&incoming_);
  }

  void OnWriteDone(bool ok) override ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    outgoing_.pop_front();
    if (!ok) outgoing_.clear();
    if (!outgoing_.empty()) {
      StartWrite(&outgoing_.front());
    } else if (end_.has_value()) {
      Finish(ToGrpc(*end_));
    }
  }

  void OnDone() override { self_.reset(); }

 private:
  Controller& controller_;
  std::shared_ptr<JoinReactor> self_;
  WorkerId worker_ = 0;
  v1::WorkerMessage incoming_;

  Mutex mu_;
  std::deque<v1::CoordinatorMessage> outgoing_ ABSL_GUARDED_BY(mu_);  // the first is being written
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mu_);  // Finish has been or will be called
};

class ClusterService final : public v1::Cluster::CallbackService {
 public:
  ClusterService(Controller& controller, std::function<ClusterStatus()> status)
      : controller_(controller), status_(std::move(status)) {}

  grpc::ServerBidiReactor<v1::WorkerMessage, v1::CoordinatorMessage>* Join(
      grpc::CallbackServerContext*) override {
    return JoinReactor::Start(controller_);
  }

  grpc::ServerUnaryReactor* ListWorkers(grpc::CallbackServerContext* context,
                                        const v1::ListWorkersRequest*,
                                        v1::ListWorkersResponse* response) override {
    const ClusterView view = controller_.view();
    for (const WorkerView& worker : view.workers) {
      *response->add_workers() = ToProto(WorkerMessage(worker.info)).register_worker();
    }
    for (const PairLink& link : view.links) {
      v1::WorkerLink& proto = *response->add_links();
      proto.set_from(static_cast<uint32_t>(link.from));
      proto.set_to(static_cast<uint32_t>(link.to));
      FillLinkSpeed(link.speed, *proto.mutable_speed());
    }
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                      const v1::GetStatusRequest*,
                                      v1::GetStatusResponse* response) override {
    FillStatus(status_(), *response);
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  grpc::ServerUnaryReactor* Drain(grpc::CallbackServerContext* context,
                                  const v1::DrainRequest* request, v1::DrainResponse*) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    controller_.Drain(request->worker(),
                      [reactor](const absl::Status& status) { reactor->Finish(ToGrpc(status)); });
    return reactor;
  }

 private:
  Controller& controller_;
  const std::function<ClusterStatus()> status_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeClusterService(Controller& controller,
                                                  std::function<ClusterStatus()> status) {
  return std::make_unique<ClusterService>(controller, std::move(status));
}

}  // namespace tern
