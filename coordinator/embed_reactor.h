// SPDX-License-Identifier: MIT
// One call of tern.v1.Inference.Embed: a request of one step, whose output is the answer.
#ifndef TERN_COORDINATOR_EMBED_REACTOR_H_
#define TERN_COORDINATOR_EMBED_REACTOR_H_

#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <memory>

#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "coordinator/engine.h"
#include "coordinator/request.h"
#include "coordinator/request_recorder.h"
#include "proto/inference.grpc.pb.h"

namespace tern {

// The engine's listener at one end, gRPC's reactor at the other. The engine and gRPC end
// independently, each keeping it until then.
class EmbedReactor final : public grpc::ServerUnaryReactor, public GenerationListener {
 public:
  // Hands the request to the engine, or ends the call with its error. `open`, which counts calls,
  // is decremented at the end. `response` is gRPC's.
  static grpc::ServerUnaryReactor* Start(Engine& engine, std::atomic<int>& open,
                                         absl::StatusOr<GenerationRequest> request, RequestTag tag,
                                         RequestRecorder& recorder, v1::EmbedResponse* response);

  void OnToken(const GeneratedToken& token) override;
  void OnFinish(FinishReason reason, const std::string& tail, const absl::Status& status,
                const GenerationStats& stats) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  EmbedReactor(Engine& engine, std::atomic<int>& open, v1::EmbedResponse* response)
      : engine_(engine), open_(open), response_(response) {}

  Engine& engine_;
  std::atomic<int>& open_;
  v1::EmbedResponse* const response_;
  std::shared_ptr<EmbedReactor> self_;

  Mutex mu_;
  RequestId id_ ABSL_GUARDED_BY(mu_) = 0;  // 0: not yet known
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace tern

#endif  // TERN_COORDINATOR_EMBED_REACTOR_H_
