// SPDX-License-Identifier: MIT
// A client of a coordinator, for tests: waits on health, streams tokens.
#ifndef TERN_TESTS_SUPPORT_INFERENCE_CLIENT_H_
#define TERN_TESTS_SUPPORT_INFERENCE_CLIENT_H_

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cluster/grpc_util.h"
#include "proto/cluster.grpc.pb.h"
#include "proto/health.grpc.pb.h"
#include "proto/inference.grpc.pb.h"

namespace tern {

// No test waits longer: one that hangs fails instead.
inline std::chrono::system_clock::time_point TestDeadline() {
  return std::chrono::system_clock::now() + std::chrono::seconds(180);
}

// What became of a request.
struct Generated {
  std::vector<uint32_t> tokens;
  std::string text;
  v1::Finish finish;
  grpc::Status status;
};

class InferenceClient {
 public:
  explicit InferenceClient(const std::string& address)
      : channel(ConnectTo(address)),
        inference(v1::Inference::NewStub(channel)),
        cluster(v1::Cluster::NewStub(channel)),
        health(grpc::health::v1::Health::NewStub(channel)) {}

  // Waits until the service says `want`; false if it does not in time.
  bool WaitForHealth(grpc::health::v1::HealthCheckResponse::ServingStatus want,
                     const std::string& service = "") {
    grpc::ClientContext context;
    context.set_deadline(TestDeadline());
    context.set_wait_for_ready(true);
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(service);
    const auto reader = health->Watch(&context, request);
    grpc::health::v1::HealthCheckResponse response;
    bool found = false;
    while (!found && reader->Read(&response)) found = response.status() == want;
    context.TryCancel();
    reader->Finish();
    return found;
  }
  bool WaitUntilServing() { return WaitForHealth(grpc::health::v1::HealthCheckResponse::SERVING); }
  bool WaitUntilNotServing() {
    return WaitForHealth(grpc::health::v1::HealthCheckResponse::NOT_SERVING);
  }

  // Runs a request to its end; `on_token` is called with the number of tokens so far.
  Generated Generate(const v1::GenerateRequest& request,
                     const std::function<void(size_t)>& on_token = {}) {
    grpc::ClientContext context;
    context.set_deadline(TestDeadline());
    return ReadAll(*inference->Generate(&context, request), on_token);
  }
  Generated Chat(const v1::ChatRequest& request) {
    grpc::ClientContext context;
    context.set_deadline(TestDeadline());
    return ReadAll(*inference->Chat(&context, request), {});
  }

  v1::GetModelResponse GetModel() {
    grpc::ClientContext context;
    context.set_deadline(TestDeadline());
    v1::GetModelResponse response;
    inference->GetModel(&context, {}, &response);
    return response;
  }

  const std::shared_ptr<grpc::Channel> channel;
  const std::unique_ptr<v1::Inference::Stub> inference;
  const std::unique_ptr<v1::Cluster::Stub> cluster;
  const std::unique_ptr<grpc::health::v1::Health::Stub> health;

 private:
  static Generated ReadAll(grpc::ClientReader<v1::GenerateResponse>& reader,
                           const std::function<void(size_t)>& on_token) {
    Generated generated;
    v1::GenerateResponse response;
    while (reader.Read(&response)) {
      generated.text += response.text();
      if (response.has_finish()) generated.finish = response.finish();
      if (!response.has_token()) continue;
      generated.tokens.push_back(response.token().id());
      if (on_token) on_token(generated.tokens.size());
    }
    generated.status = reader.Finish();
    return generated;
  }
};

// A request of a given length that no end-of-text token shortens.
inline v1::GenerateRequest RequestFor(const std::string& prompt, uint32_t tokens,
                                      uint64_t seed = 1) {
  v1::GenerateRequest request;
  request.set_prompt(prompt);
  request.mutable_sampling()->set_seed(seed);
  request.mutable_limits()->set_max_tokens(tokens);
  request.mutable_limits()->set_ignore_eos(true);
  return request;
}

}  // namespace tern

#endif  // TERN_TESTS_SUPPORT_INFERENCE_CLIENT_H_
