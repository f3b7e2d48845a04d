// SPDX-License-Identifier: MIT
#include "tools/client.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cluster/grpc_util.h"
#include "proto/health.grpc.pb.h"
#include "proto/inference.grpc.pb.h"

namespace tern {
namespace {

void FillRequest(const GenerationFlags& flags, v1::Sampling* sampling, v1::Limits* limits) {
  sampling->set_temperature(flags.sampling.temperature);
  sampling->set_top_k(flags.sampling.top_k);
  sampling->set_top_p(flags.sampling.top_p);
  sampling->set_min_p(flags.sampling.min_p);
  sampling->set_repetition_penalty(flags.sampling.repetition_penalty);
  if (flags.seed.has_value()) sampling->set_seed(*flags.seed);
  limits->set_max_tokens(flags.max_tokens);
  limits->set_ignore_eos(flags.ignore_eos);
  for (const std::string& stop : flags.stop) limits->add_stop(stop);
  limits->set_n(flags.samples);
  if (flags.priority == "low") limits->set_priority(v1::PRIORITY_LOW);
  if (flags.priority == "high") limits->set_priority(v1::PRIORITY_HIGH);
}

GenerationSummary ToSummary(const v1::Finish& finish) {
  return {.finish_reason = finish.reason(),
          .prompt_tokens = finish.prompt_tokens(),
          .generated_tokens = finish.generated_tokens(),
          .seed = finish.seed(),
          .time_to_first_token = absl::Seconds(finish.time_to_first_token_seconds()),
          .total = absl::Seconds(finish.total_seconds())};
}

// Adds the end of one sample of several.
void Add(const GenerationSummary& sample, GenerationSummary& all) {
  const uint32_t generated = all.generated_tokens;
  const uint64_t seed = generated == 0 ? sample.seed : std::min(all.seed, sample.seed);
  all = sample;
  all.generated_tokens += generated;
  all.seed = seed;
}

// One sample is streamed; of several, each is told as a whole.
absl::StatusOr<GenerationSummary> ReadAll(grpc::ClientReader<v1::GenerateResponse>& reader,
                                          const std::string& peer, uint32_t samples,
                                          const TextCallback& on_text) {
  GenerationSummary summary;
  std::vector<std::string> texts(samples);
  v1::GenerateResponse response;
  while (reader.Read(&response)) {
    if (response.has_finish()) Add(ToSummary(response.finish()), summary);
    if (samples == 1 && !response.text().empty()) on_text(response.text());
    if (samples > 1 && response.index() < samples) texts[response.index()] += response.text();
  }
  const grpc::Status status = reader.Finish();
  if (!status.ok()) return FromGrpc(status, peer);
  for (uint32_t i = 0; i < samples && samples > 1; ++i) {
    on_text(absl::StrCat("\n--- seed ", summary.seed + i, "\n", texts[i], "\n"));
  }
  return summary;
}

}  // namespace

struct Client::State {
  std::string peer;  // for errors
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::Inference::Stub> inference;
};

Client::Client(const std::string& address) : state_(std::make_unique<State>()) {
  state_->peer = "coordinator " + address;
  state_->channel = ConnectAsClient(address);
  state_->inference = v1::Inference::NewStub(state_->channel);
}

Client::~Client() = default;

absl::Status Client::WaitUntilServing(absl::Duration timeout) {
  using grpc::health::v1::Health;
  using grpc::health::v1::HealthCheckResponse;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(timeout));
  context.set_wait_for_ready(true);
  const std::unique_ptr<Health::Stub> health = Health::NewStub(state_->channel);
  const auto reader = health->Watch(&context, {});
  HealthCheckResponse response;
  while (reader->Read(&response)) {
    if (response.status() == HealthCheckResponse::SERVING) {
      context.TryCancel();
      return absl::OkStatus();
    }
  }
  const absl::Status status = FromGrpc(reader->Finish(), state_->peer);
  if (!absl::IsDeadlineExceeded(status)) return status;
  return absl::DeadlineExceededError(
      absl::StrCat(state_->peer, ": not serving after ", absl::FormatDuration(timeout),
                   response.status() == HealthCheckResponse::NOT_SERVING
                       ? ": no pipeline is up, see `tern status`"
                       : ": no answer"));
}

absl::StatusOr<GenerationSummary> Client::Generate(const std::string& prompt,
                                                   const GenerationFlags& flags,
                                                   const TextCallback& on_text) {
  v1::GenerateRequest request;
  request.set_prompt(prompt);
  FillRequest(flags, request.mutable_sampling(), request.mutable_limits());
  grpc::ClientContext context;
  return ReadAll(*state_->inference->Generate(&context, request), state_->peer, flags.samples,
                 on_text);
}

absl::StatusOr<GenerationSummary> Client::Chat(const std::vector<ChatMessage>& messages,
                                               const GenerationFlags& flags,
                                               const TextCallback& on_text) {
  v1::ChatRequest request;
  for (const ChatMessage& message : messages) {
    v1::ChatMessage* added = request.add_messages();
    added->set_role(message.role);
    added->set_content(message.content);
  }
  FillRequest(flags, request.mutable_sampling(), request.mutable_limits());
  grpc::ClientContext context;
  return ReadAll(*state_->inference->Chat(&context, request), state_->peer, flags.samples, on_text);
}

}  // namespace tern
