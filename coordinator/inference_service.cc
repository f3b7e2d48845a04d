// SPDX-License-Identifier: MIT
#include "coordinator/inference_service.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <random>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/version.h"
#include "cluster/clock.h"
#include "cluster/grpc_util.h"
#include "coordinator/embed_reactor.h"
#include "coordinator/inference_wire.h"
#include "coordinator/request_tag.h"
#include "proto/inference.grpc.pb.h"

namespace tern {
namespace {

constexpr char kRetryAfterKey[] = "retry-after-ms";

absl::Status CheckSize(const google::protobuf::Message& request) {
  const size_t bytes = request.ByteSizeLong();
  if (bytes <= kMaxRequestBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("request: found ", bytes, " bytes, want at most ", kMaxRequestBytes));
}

// A call's deadline by MonotonicNow.
absl::Time DeadlineOf(const grpc::CallbackServerContext& context) {
  const auto deadline = context.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) return absl::InfiniteFuture();
  return MonotonicNow() + absl::FromChrono(deadline - std::chrono::system_clock::now());
}

uint64_t DrawSeed() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

// One streaming call: the engine's listener at one end, gRPC's reactor at the other. The engine and
// gRPC end independently, each keeping it until then. Every Start* and Finish is called under mu_,
// and none after Finish; gRPC's callbacks never run inside them.
class GenerateReactor final : public grpc::ServerWriteReactor<v1::GenerateResponse>,
                              public GenerationListener {
 public:
  // `context` is the call's.
  GenerateReactor(Engine& engine, std::atomic<int>& open, grpc::CallbackServerContext* context)
      : engine_(engine), open_(open), context_(context) {}

  // Hands the request to the engine, or ends the call with its error. `self` keeps the reactor
  // until gRPC is done with it.
  static grpc::ServerWriteReactor<v1::GenerateResponse>* Start(
      std::shared_ptr<GenerateReactor> self, absl::StatusOr<GenerationRequest> request,
      RequestTag tag, RequestRecorder& recorder) ABSL_LOCKS_EXCLUDED(self->mu_) {
    GenerateReactor* reactor = self.get();
    reactor->self_ = self;
    if (!request.ok()) {
      recorder.Refuse(tag, request.status());
      reactor->End(request.status());
      return reactor;
    }
    reactor->seed_ = request->sampling.seed;
    reactor->with_logprob_ = request->sampling.logprobs > 0;
    auto listener = recorder.Begin(std::move(tag), *request, std::move(self));
    const RequestId id = reactor->engine_.Submit(*std::move(request), std::move(listener));
    reactor->SetId(id);
    return reactor;
  }

  // --- From the engine ---

  void OnToken(const GeneratedToken& token) override { Push(ToProto(token, with_logprob_)); }

  void OnSampleFinish(FinishReason reason, const std::string& tail,
                      const GenerationStats& stats) override {
    Push(ToProto(reason, tail, stats, seed_));
  }

  void OnFinish(FinishReason reason, const std::string& tail, const absl::Status& status,
                const GenerationStats& stats) override {
    if (status.ok()) Push(ToProto(reason, tail, stats, seed_));
    End(status);
  }

  // --- From gRPC ---

  void OnWriteDone(bool ok) override ABSL_LOCKS_EXCLUDED(mu_) {
    {
      MutexLock lock(mu_);
      unread_.pop_front();
      if (!ok) {
        unread_.clear();
      } else if (!unread_.empty()) {
        StartWrite(&unread_.front());
      }
      if (unread_.empty()) MaybeFinish();
    }
    if (!ok) CancelRequest();
  }

  // The client left, or its deadline passed.
  void OnCancel() override { CancelRequest(); }

  void OnDone() override {
    --open_;
    self_.reset();
  }

 private:
  void Push(v1::GenerateResponse response) ABSL_LOCKS_EXCLUDED(mu_) {
    {
      MutexLock lock(mu_);
      if (status_.has_value()) return;
      if (unread_.size() < kMaxUnreadResponses) {
        unread_.push_back(std::move(response));
        if (unread_.size() == 1) StartWrite(&unread_.front());
        return;
      }
      unread_.resize(1);  // the one being written
      status_ = absl::ResourceExhaustedError(
          absl::StrCat("the client reads too slowly: ", kMaxUnreadResponses, " messages waited"));
    }
    CancelRequest();
  }

  // The call ends with `status` when everything before was written. Only the first counts.
  void End(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    if (status_.has_value()) return;
    status_ = status;
    if (unread_.empty()) MaybeFinish();
  }

  void MaybeFinish() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (!status_.has_value()) return;
    if (const auto retry = status_->GetPayload(kRetryAfterPayload); retry.has_value()) {
      context_->AddTrailingMetadata(kRetryAfterKey, std::string(*retry));
    }
    Finish(ToGrpc(*status_));
  }

  void SetId(RequestId id) ABSL_LOCKS_EXCLUDED(mu_) {
    bool cancel = false;
    {
      MutexLock lock(mu_);
      id_ = id;
      cancel = cancelled_;
    }
    if (cancel) engine_.Cancel(id);
  }

  // The engine answers with OnFinish, unless it has before.
  void CancelRequest() ABSL_LOCKS_EXCLUDED(mu_) {
    RequestId id = 0;
    {
      MutexLock lock(mu_);
      cancelled_ = true;
      id = id_;
    }
    if (id != 0) engine_.Cancel(id);
  }

  Engine& engine_;
  std::atomic<int>& open_;
  grpc::CallbackServerContext* const context_;
  std::shared_ptr<GenerateReactor> self_;
  uint64_t seed_ = 0;
  bool with_logprob_ = false;

  Mutex mu_;
  std::deque<v1::GenerateResponse> unread_ ABSL_GUARDED_BY(mu_);  // the first is being written
  std::optional<absl::Status> status_ ABSL_GUARDED_BY(mu_);       // how the call ends
  RequestId id_ ABSL_GUARDED_BY(mu_) = 0;                         // 0: not yet known
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
};

class InferenceService final : public v1::Inference::CallbackService {
 public:
  explicit InferenceService(InferenceOptions options) : options_(std::move(options)) {}

  grpc::ServerWriteReactor<v1::GenerateResponse>* Generate(
      grpc::CallbackServerContext* context, const v1::GenerateRequest* request) override {
    return StartRequest(*request, context);
  }

  grpc::ServerWriteReactor<v1::GenerateResponse>* Chat(grpc::CallbackServerContext* context,
                                                       const v1::ChatRequest* request) override {
    return StartRequest(*request, context);
  }

  grpc::ServerUnaryReactor* Embed(grpc::CallbackServerContext* context,
                                  const v1::EmbedRequest* request,
                                  v1::EmbedResponse* response) override {
    const int open = ++open_;  // the reactor takes it back
    return EmbedReactor::Start(*options_.engine, open_, Admit(*request, open), TagCall(*context),
                               *options_.recorder, response);
  }

  grpc::ServerUnaryReactor* Tokenize(grpc::CallbackServerContext* context,
                                     const v1::TokenizeRequest* request,
                                     v1::TokenizeResponse* response) override {
    const absl::Status size = CheckSize(*request);
    if (size.ok()) FillTokens(*request, *response);
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(ToGrpc(size));
    return reactor;
  }

  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext* context,
                                     const v1::GetModelRequest*,
                                     v1::GetModelResponse* response) override {
    Describe(*response);
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  template <typename Request>
  grpc::ServerWriteReactor<v1::GenerateResponse>* StartRequest(
      const Request& proto, grpc::CallbackServerContext* context) {
    const int open = ++open_;  // the reactor takes it back
    auto reactor = std::make_shared<GenerateReactor>(*options_.engine, open_, context);
    absl::StatusOr<GenerationRequest> request = Admit(proto, open);
    if (request.ok()) request->deadline = std::min(request->deadline, DeadlineOf(*context));
    return GenerateReactor::Start(std::move(reactor), std::move(request), TagCall(*context),
                                  *options_.recorder);
  }

  template <typename Request>
  absl::StatusOr<GenerationRequest> Admit(const Request& proto, int open) const {
    if (*options_.draining) return absl::UnavailableError("the coordinator is shutting down");
    if (open > kMaxOpenRequests) {
      return absl::ResourceExhaustedError(
          absl::StrCat("open requests: found ", open, ", want at most ", kMaxOpenRequests));
    }
    TERN_RETURN_IF_ERROR(CheckSize(proto));
    const bool embeds = std::is_same_v<Request, v1::EmbedRequest>;
    if (embeds == options_.manifest->config.has_head) {
      return absl::FailedPreconditionError(
          embeds ? "the model generates text: it has no Embed"
                 : "the model is an embedding model: it has Embed alone");
    }
    if constexpr (std::is_same_v<Request, v1::EmbedRequest>) {
      return FromProto(proto, *options_.tokenizer);
    } else if constexpr (std::is_same_v<Request, v1::ChatRequest>) {
      return FromProto(proto, *options_.tokenizer, options_.chat_format, DrawSeed());
    } else {
      return FromProto(proto, *options_.tokenizer, DrawSeed());
    }
  }

  void FillTokens(const v1::TokenizeRequest& request, v1::TokenizeResponse& response) const {
    const Tokenizer& tokenizer = *options_.tokenizer;
    for (const TokenId id : tokenizer.Encode(request.text(), request.parse_special())) {
      response.add_ids(static_cast<uint32_t>(id));
      response.add_pieces(tokenizer.TokenBytes(id));
    }
  }

  void Describe(v1::GetModelResponse& response) const {
    const ModelConfig& config = options_.manifest->config;
    response.set_name(config.name);
    response.set_architecture(config.architecture);
    response.set_digest(options_.manifest->digest);
    response.set_layers(config.layers);
    response.set_dim(config.dim);
    response.set_vocab(config.vocab);
    response.set_context(config.context);
    response.set_version(kVersion);
    const std::optional<Pipeline> pipeline = options_.pipeline();
    if (!pipeline.has_value()) return;
    response.set_epoch(pipeline->epoch);
    for (const PipelineStage& stage : pipeline->stages) {
      v1::StageInfo& info = *response.add_stages();
      info.set_worker(stage.name);
      info.set_first_layer(stage.layers.begin);
      info.set_end_layer(stage.layers.end);
    }
  }

  const InferenceOptions options_;
  std::atomic<int> open_{0};
};

}  // namespace

std::unique_ptr<grpc::Service> MakeInferenceService(InferenceOptions options) {
  return std::make_unique<InferenceService>(std::move(options));
}

}  // namespace tern
