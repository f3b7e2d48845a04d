// SPDX-License-Identifier: MIT
#include "cluster/weights_client.h"

#include <atomic>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "cluster/grpc_util.h"

namespace tern {
namespace {

constexpr std::chrono::seconds kPeerTimeout(3);

}  // namespace

struct WeightsClient::Peer {
  explicit Peer(const std::string& address)
      : channel(ConnectTo(address)), stub(v1::Weights::NewStub(channel)) {}

  const std::shared_ptr<grpc::Channel> channel;
  const std::unique_ptr<v1::Weights::Stub> stub;
  std::atomic<bool> is_gone{false};
};

WeightsClient::WeightsClient(const std::string& coordinator) : coordinator_(coordinator) {}
WeightsClient::~WeightsClient() = default;

WeightsClient::Peer& WeightsClient::Find(const std::string& source) {
  MutexLock lock(mu_);
  std::unique_ptr<Peer>& peer = peers_[source];
  if (peer == nullptr) peer = std::make_unique<Peer>(source.empty() ? coordinator_ : source);
  return *peer;
}

absl::Status WeightsClient::Fetch(const std::string& source, const std::string& sha256,
                                  uint64_t offset, const ByteSink& sink) {
  Peer& peer = Find(source);
  if (!source.empty() && (peer.is_gone || !peer.channel->WaitForConnected(
                                              std::chrono::system_clock::now() + kPeerTimeout))) {
    peer.is_gone = true;
    return absl::UnavailableError(absl::StrCat("worker ", source, ": does not answer"));
  }
  grpc::ClientContext context;
  v1::FetchTensorRequest request;
  request.set_sha256(sha256);
  request.set_offset(offset);
  const std::unique_ptr<grpc::ClientReader<v1::TensorChunk>> reader =
      peer.stub->FetchTensor(&context, request);
  v1::TensorChunk chunk;
  while (reader->Read(&chunk)) {
    const absl::Status taken =
        sink({reinterpret_cast<const uint8_t*>(chunk.data().data()), chunk.data().size()});
    if (taken.ok()) continue;
    context.TryCancel();
    reader->Finish();
    return taken;
  }
  return FromGrpc(reader->Finish());
}

}  // namespace tern
