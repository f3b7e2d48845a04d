// SPDX-License-Identifier: MIT
#include "coordinator/request_recorder.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "base/log_fields.h"
#include "cluster/clock.h"

namespace tern {
namespace {

std::string Outcome(FinishReason reason, const absl::Status& status) {
  if (status.ok()) return FinishReasonName(reason);
  return absl::AsciiStrToLower(absl::StatusCodeToString(status.code()));
}

}  // namespace

// Of one request. The engine's thread calls it, after Begin.
class RequestRecorder::Listener final : public GenerationListener {
 public:
  Listener(RequestRecorder& recorder, RequestTag tag, const GenerationRequest& request,
           std::shared_ptr<GenerationListener> next)
      : recorder_(recorder),
        tag_(std::move(tag)),
        next_(std::move(next)),
        begun_(MonotonicNow()),
        last_token_(std::min(request.samples, kMaxSamples)) {}

  void OnToken(const GeneratedToken& token) override {
    const absl::Time now = MonotonicNow();
    if (generated_tokens_++ == 0) {
      to_first_token_ = now - begun_;
      recorder_.to_first_token_.Add(to_first_token_);
    }
    std::optional<absl::Time>& last = last_token_[token.sample];
    if (last.has_value()) recorder_.between_tokens_.Add(now - *last);
    last = now;
    recorder_.CountToken();
    next_->OnToken(token);
  }

  void OnSampleFinish(FinishReason reason, const std::string& tail,
                      const GenerationStats& stats) override {
    next_->OnSampleFinish(reason, tail, stats);
  }

  // Recorded first: who has heard of the end finds it counted.
  void OnFinish(FinishReason reason, const std::string& tail, const absl::Status& status,
                const GenerationStats& stats) override {
    const std::string outcome = Outcome(reason, status);
    recorder_.total_.Add(stats.total);
    recorder_.CountEnd(outcome);
    std::vector<LogField> fields = {
        {"request_id", tag_.id},
        {"client", tag_.client},
        {"outcome", outcome},
        {"prompt_tokens", stats.prompt_tokens},
        {"generated_tokens", generated_tokens_},
        {"time_to_first_token_seconds", absl::ToDoubleSeconds(to_first_token_)},
        {"total_seconds", absl::ToDoubleSeconds(stats.total)}};
    if (!status.ok()) fields.emplace_back("error", status.message());
    Log(LogLevel::kInfo, "request ended", fields);
    next_->OnFinish(reason, tail, status, stats);
  }

 private:
  RequestRecorder& recorder_;
  const RequestTag tag_;
  const std::shared_ptr<GenerationListener> next_;
  const absl::Time begun_;
  absl::Duration to_first_token_;
  uint64_t generated_tokens_ = 0;                      // of all samples
  std::vector<std::optional<absl::Time>> last_token_;  // [samples]
};

// What is looked for is there from the start, at 0.
RequestRecorder::RequestRecorder()
    : ended_({{"cancelled", 0},
              {"deadline_exceeded", 0},
              {"invalid_argument", 0},
              {"length", 0},
              {"resource_exhausted", 0},
              {"stop", 0},
              {"unavailable", 0}}) {}

std::shared_ptr<GenerationListener> RequestRecorder::Begin(
    RequestTag tag, const GenerationRequest& request,
    std::shared_ptr<GenerationListener> listener) {
  Log(LogLevel::kInfo, "request began",
      {{"request_id", tag.id},
       {"client", tag.client},
       {"prompt_tokens", request.prompt.size()},
       {"max_tokens", request.max_tokens},
       {"samples", request.samples}});
  {
    MutexLock lock(mu_);
    prompt_tokens_ += request.prompt.size();
  }
  return std::make_shared<Listener>(*this, std::move(tag), request, std::move(listener));
}

void RequestRecorder::Refuse(const RequestTag& tag, const absl::Status& status) {
  const std::string outcome = Outcome(FinishReason::kError, status);
  CountEnd(outcome);
  Log(LogLevel::kInfo, "request refused",
      {{"request_id", tag.id},
       {"client", tag.client},
       {"outcome", outcome},
       {"error", status.message()}});
}

RequestRecorder::Counts RequestRecorder::counts() const {
  Counts counts;
  counts.to_first_token = to_first_token_.snapshot();
  counts.between_tokens = between_tokens_.snapshot();
  counts.total = total_.snapshot();
  MutexLock lock(mu_);
  counts.ended = ended_;
  counts.prompt_tokens = prompt_tokens_;
  counts.generated_tokens = generated_tokens_;
  return counts;
}

void RequestRecorder::CountToken() {
  MutexLock lock(mu_);
  ++generated_tokens_;
}

void RequestRecorder::CountEnd(const std::string& outcome) {
  MutexLock lock(mu_);
  ++ended_[outcome];
}

}  // namespace tern
