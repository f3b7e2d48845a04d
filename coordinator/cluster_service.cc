// SPDX-License-Identifier: MIT
#include "coordinator/cluster_service.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/mutex.h"
#include "cluster/grpc_util.h"
#include "cluster/wire.h"
#include "proto/cluster.grpc.pb.h"

namespace tern {
namespace {

constexpr size_t kChunkBytes = 1 << 20;

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

// Sends a tensor piece by piece. Deletes itself when gRPC is done with it.
class FetchReactor final : public grpc::ServerWriteReactor<v1::TensorChunk> {
 public:
  explicit FetchReactor(std::span<const uint8_t> rest) : rest_(rest) { SendNext(); }
  explicit FetchReactor(const absl::Status& refusal) { Finish(ToGrpc(refusal)); }

  void OnWriteDone(bool ok) override {
    if (ok) {
      SendNext();
    } else {
      Finish(grpc::Status::CANCELLED);
    }
  }

  void OnDone() override { delete this; }

 private:
  void SendNext() {
    if (rest_.empty()) return Finish(grpc::Status::OK);
    const std::span<const uint8_t> piece = rest_.first(std::min(kChunkBytes, rest_.size()));
    rest_ = rest_.subspan(piece.size());
    chunk_.set_data(piece.data(), piece.size());
    StartWrite(&chunk_);
  }

  std::span<const uint8_t> rest_;
  v1::TensorChunk chunk_;
};

class ClusterService final : public v1::Cluster::CallbackService {
 public:
  ClusterService(Controller& controller, const ModelManifest& manifest, const TensorSource& source)
      : controller_(controller) {
    for (const TensorRef& tensor : manifest.tensors) {
      const absl::StatusOr<TensorView> view = source.Find(tensor.info.name);
      TERN_CHECK(view.ok());  // the manifest was made from this source
      tensors_[tensor.sha256] = view->data;
    }
  }

  grpc::ServerBidiReactor<v1::WorkerMessage, v1::CoordinatorMessage>* Join(
      grpc::CallbackServerContext*) override {
    return JoinReactor::Start(controller_);
  }

  grpc::ServerWriteReactor<v1::TensorChunk>* FetchTensor(
      grpc::CallbackServerContext*, const v1::FetchTensorRequest* request) override {
    const absl::StatusOr<std::span<const uint8_t>> rest = RestOf(*request);
    return (rest.ok() ? std::make_unique<FetchReactor>(*rest)
                      : std::make_unique<FetchReactor>(rest.status()))
        .release();
  }

  grpc::ServerUnaryReactor* ListWorkers(grpc::CallbackServerContext* context,
                                        const v1::ListWorkersRequest*,
                                        v1::ListWorkersResponse* response) override {
    for (const RegisterWorker& worker : controller_.workers()) {
      *response->add_workers() = ToProto(WorkerMessage(worker)).register_worker();
    }
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  absl::StatusOr<std::span<const uint8_t>> RestOf(const v1::FetchTensorRequest& request) const {
    const auto found = tensors_.find(request.sha256());
    if (found == tensors_.end()) {
      return absl::NotFoundError("no tensor of the served model has this digest");
    }
    if (request.offset() > found->second.size()) {
      return absl::InvalidArgumentError(absl::StrCat("offset: found ", request.offset(),
                                                     ", want at most ", found->second.size()));
    }
    return found->second.subspan(request.offset());
  }

  Controller& controller_;
  absl::flat_hash_map<std::string, std::span<const uint8_t>> tensors_;  // by digest
};

}  // namespace

std::unique_ptr<grpc::Service> MakeClusterService(Controller& controller,
                                                  const ModelManifest& manifest,
                                                  const TensorSource& source) {
  return std::make_unique<ClusterService>(controller, manifest, source);
}

}  // namespace tern
