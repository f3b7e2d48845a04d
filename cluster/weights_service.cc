// SPDX-License-Identifier: MIT
#include "cluster/weights_service.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "cluster/grpc_util.h"
#include "proto/weights.grpc.pb.h"

namespace tern {
namespace {

constexpr size_t kChunkBytes = 1 << 20;

// Sends a tensor piece by piece. Deletes itself when gRPC is done with it.
class FetchReactor final : public grpc::ServerWriteReactor<v1::TensorChunk> {
 public:
  FetchReactor(TensorView tensor, uint64_t offset, std::atomic<uint64_t>& bytes_sent)
      : tensor_(std::move(tensor)), rest_(tensor_.data.subspan(offset)), bytes_sent_(bytes_sent) {
    SendNext();
  }
  FetchReactor(const absl::Status& refusal, std::atomic<uint64_t>& bytes_sent)
      : bytes_sent_(bytes_sent) {
    Finish(ToGrpc(refusal));
  }

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
    bytes_sent_.fetch_add(piece.size(), std::memory_order_relaxed);
    StartWrite(&chunk_);
  }

  const TensorView tensor_;  // keeps its bytes
  std::span<const uint8_t> rest_;
  std::atomic<uint64_t>& bytes_sent_;
  v1::TensorChunk chunk_;
};

}  // namespace

class WeightsService::Impl final : public v1::Weights::CallbackService {
 public:
  explicit Impl(TensorFinder find) : find_(std::move(find)) {}

  grpc::ServerWriteReactor<v1::TensorChunk>* FetchTensor(
      grpc::CallbackServerContext*, const v1::FetchTensorRequest* request) override {
    absl::StatusOr<TensorView> tensor = Find(*request);
    return (tensor.ok()
                ? std::make_unique<FetchReactor>(*std::move(tensor), request->offset(), bytes_sent_)
                : std::make_unique<FetchReactor>(tensor.status(), bytes_sent_))
        .release();
  }

  uint64_t bytes_sent() const { return bytes_sent_.load(std::memory_order_relaxed); }

 private:
  absl::StatusOr<TensorView> Find(const v1::FetchTensorRequest& request) const {
    TERN_ASSIGN_OR_RETURN(TensorView tensor, find_(request.sha256()));
    if (request.offset() <= tensor.data.size()) return tensor;
    return absl::InvalidArgumentError(
        absl::StrCat("offset: found ", request.offset(), ", want at most ", tensor.data.size()));
  }

  const TensorFinder find_;
  std::atomic<uint64_t> bytes_sent_{0};
};

WeightsService::WeightsService(TensorFinder find)
    : impl_(std::make_unique<Impl>(std::move(find))) {}
WeightsService::~WeightsService() = default;

grpc::Service* WeightsService::service() { return impl_.get(); }
uint64_t WeightsService::bytes_sent() const { return impl_->bytes_sent(); }

}  // namespace tern
