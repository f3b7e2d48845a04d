// SPDX-License-Identifier: MIT
#include "coordinator/embed_reactor.h"

#include <utility>
#include <vector>

#include "cluster/grpc_util.h"
#include "model/embedder.h"

namespace tern {

grpc::ServerUnaryReactor* EmbedReactor::Start(Engine& engine, std::atomic<int>& open,
                                              absl::StatusOr<GenerationRequest> request,
                                              RequestTag tag, RequestRecorder& recorder,
                                              v1::EmbedResponse* response) {
  std::shared_ptr<EmbedReactor> self(new EmbedReactor(engine, open, response));
  EmbedReactor* reactor = self.get();
  reactor->self_ = self;
  if (!request.ok()) {
    recorder.Refuse(tag, request.status());
    reactor->Finish(ToGrpc(request.status()));
    return reactor;
  }
  auto listener = recorder.Begin(std::move(tag), *request, std::move(self));
  const RequestId id = engine.Submit(*std::move(request), std::move(listener));
  bool cancel = false;
  {
    MutexLock lock(reactor->mu_);
    reactor->id_ = id;
    cancel = reactor->cancelled_;
  }
  if (cancel) engine.Cancel(id);
  return reactor;
}

void EmbedReactor::OnToken(const GeneratedToken& token) {
  std::vector<float> vector = token.logits;
  NormaliseVector(vector);
  response_->mutable_values()->Assign(vector.begin(), vector.end());
}

void EmbedReactor::OnFinish(FinishReason /*reason*/, const std::string& /*tail*/,
                            const absl::Status& status, const GenerationStats& stats) {
  response_->set_tokens(stats.prompt_tokens);
  Finish(ToGrpc(status));
}

void EmbedReactor::OnCancel() {
  RequestId id = 0;
  {
    MutexLock lock(mu_);
    cancelled_ = true;
    id = id_;
  }
  if (id != 0) engine_.Cancel(id);
}

void EmbedReactor::OnDone() {
  --open_;
  self_.reset();
}

}  // namespace tern
