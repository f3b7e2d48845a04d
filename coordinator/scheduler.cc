// SPDX-License-Identifier: MIT
#include "coordinator/scheduler.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace tern {
namespace {

template <typename Container, typename Value>
bool Contains(const Container& container, const Value& value) {
  return std::find(container.begin(), container.end(), value) != container.end();
}

}  // namespace

Scheduler::Scheduler(const SchedulerConfig& config)
    : config_(config),
      decode_steps_(std::max(2u, config.max_in_flight) - 1),
      pool_(config.kv_pages) {
  TERN_CHECK(config.max_in_flight > 0 && config.prefill_chunk > 0 && config.max_rows > 0);
  TERN_CHECK(config.kv_pages > 0 && config.context > 0 && config.max_queue > 0);
}

absl::Status Scheduler::Submit(RequestId id, GenerationRequest request) {
  TERN_CHECK(id > last_id_ && !request.prompt.empty() && request.max_tokens > 0);
  last_id_ = id;
  const uint64_t prompt = request.prompt.size();
  if (prompt >= config_.context) {
    return absl::InvalidArgumentError(absl::StrCat("prompt: found ", prompt,
                                                   " tokens, want at most ", config_.context - 1,
                                                   ", one less than the context"));
  }
  Sequence sequence;
  // The last token of a sequence is never sent down.
  sequence.most_tokens =
      static_cast<uint32_t>(std::min<uint64_t>(prompt + request.max_tokens, config_.context) - 1);
  if (sequence.most_pages() > config_.kv_pages) {
    return absl::ResourceExhaustedError(
        absl::StrCat("KV cache: the request needs ", sequence.most_pages(), " pages of ",
                     kKvPageTokens, " tokens, found ", config_.kv_pages));
  }
  if (waiting_.size() >= config_.max_queue) {
    return absl::ResourceExhaustedError(
        absl::StrCat("queue: found ", waiting_.size(), " requests waiting, the most there may be"));
  }
  sequence.request = std::move(request);
  waiting_.emplace_back(id, std::move(sequence));
  return absl::OkStatus();
}

SchedulerActions Scheduler::Cancel(RequestId id, FinishReason reason) {
  SchedulerActions actions;
  const auto waiting = std::find_if(waiting_.begin(), waiting_.end(),
                                    [&](const auto& entry) { return entry.first == id; });
  if (waiting != waiting_.end()) {
    waiting_.erase(waiting);
    actions.finished.push_back({id, reason});
  }
  const auto running = running_.find(id);
  if (running != running_.end()) {
    End(running);
    actions.finished.push_back({id, reason});
  }
  return actions;
}

absl::StatusOr<SchedulerActions> Scheduler::OnResult(ResultFrame result) {
  TERN_RETURN_IF_ERROR(Check(result));
  in_flight_.pop_front();
  SchedulerActions actions;
  for (SequenceResult& entry : result.results) OnToken(std::move(entry), actions);
  return actions;
}

SchedulerActions Scheduler::Poll() {
  SchedulerActions actions;
  while (in_flight_.size() < config_.max_in_flight) {
    std::optional<StepFrame> step = NextStep();
    if (!step.has_value()) break;
    actions.steps.push_back(std::move(*step));
  }
  return actions;
}

std::optional<StepFrame> Scheduler::NextStep() {
  StepFrame step;
  InFlight flight;
  ReleaseEnded(step);
  Admit();  // after the release: a stage, too, releases before it reserves
  AddDecodeRows(step, flight);
  AddPromptRows(step, flight);
  if (step.segments.empty() && step.release.empty()) return std::nullopt;
  step.epoch = config_.epoch;
  step.step = flight.step = next_step_++;
  in_flight_.push_back(std::move(flight));
  return step;
}

void Scheduler::ReleaseEnded(StepFrame& step) {
  for (const Release& release : ended_) {
    step.release.push_back(release.request);
    pool_.Return(release.pages);
  }
  ended_.clear();
}

void Scheduler::Admit() {
  while (!waiting_.empty() && waiting_.front().second.most_pages() <= free_pages()) {
    Sequence& sequence = waiting_.front().second;
    while (sequence.pages.size() < sequence.most_pages()) sequence.pages.push_back(*pool_.Take());
    running_.insert(std::move(waiting_.front()));
    waiting_.pop_front();
  }
}

size_t Scheduler::DecodeShare() const {
  const size_t decoding =
      static_cast<size_t>(std::count_if(running_.begin(), running_.end(), [](const auto& entry) {
        return !entry.second.in_prompt();
      }));
  return (decoding + decode_steps_ - 1) / decode_steps_;
}

void Scheduler::AddDecodeRows(StepFrame& step, InFlight& flight) {
  const auto decoding = std::count_if(in_flight_.begin(), in_flight_.end(),
                                      [](const InFlight& other) { return other.decodes; });
  if (decoding >= decode_steps_) return;
  const size_t rows = std::min({ready_.size(), DecodeShare(), size_t{config_.max_rows}});
  for (size_t i = 0; i < rows; ++i) {
    const auto entry = running_.find(ready_.front());
    ready_.pop_front();
    AddSegment(*entry, 1, step, flight);
  }
  flight.decodes = rows > 0;
}

void Scheduler::AddPromptRows(StepFrame& step, InFlight& flight) {
  for (auto& entry : running_) {
    const Sequence& sequence = entry.second;
    if (!sequence.in_prompt()) continue;
    const uint32_t left = static_cast<uint32_t>(sequence.request.prompt.size()) - sequence.sent;
    const uint32_t rows = std::min({left, config_.prefill_chunk, config_.max_rows - step.rows()});
    if (rows == 0) return;
    AddSegment(entry, rows, step, flight);
  }
}

void Scheduler::AddSegment(Running::value_type& entry, uint32_t rows, StepFrame& step,
                           InFlight& flight) {
  auto& [id, sequence] = entry;
  const GenerationRequest& request = sequence.request;
  if (sequence.in_prompt()) {
    const auto first = request.prompt.begin() + sequence.sent;
    step.tokens.insert(step.tokens.end(), first, first + rows);
  } else {
    step.tokens.push_back(sequence.next);
  }
  Segment segment;
  segment.sequence = id;
  segment.position = sequence.sent;
  segment.rows = rows;
  if (sequence.sent == 0) segment.pages = sequence.pages;
  segment.sampling = request.sampling;
  sequence.sent += rows;
  segment.sample = !sequence.in_prompt();
  segment.want_logits = segment.sample && request.want_logits;
  if (segment.sample) flight.sampled.push_back({id, sequence.sent});
  step.segments.push_back(segment);
}

absl::Status Scheduler::Check(const ResultFrame& result) const {
  const uint64_t want = in_flight_.empty() ? 0 : in_flight_.front().step;  // 0: none
  if (result.epoch != config_.epoch || result.step != want || want == 0) {
    return absl::InternalError(absl::StrCat("result: found step ", result.step, " of epoch ",
                                            result.epoch, ", want ", want, " of ", config_.epoch));
  }
  const std::vector<Sampled>& sampled = in_flight_.front().sampled;
  const bool same =
      std::equal(sampled.begin(), sampled.end(), result.results.begin(), result.results.end(),
                 [](const Sampled& asked, const SequenceResult& found) {
                   return asked.request == found.sequence && asked.position == found.position;
                 });
  if (same) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("result of step ", result.step,
                                          ": found other sequences or positions than were sent"));
}

void Scheduler::OnToken(SequenceResult result, SchedulerActions& actions) {
  const auto entry = running_.find(result.sequence);
  if (entry == running_.end()) return;  // cancelled meanwhile
  const RequestId id = entry->first;
  Sequence& sequence = entry->second;
  const TokenId token = result.sampled.chosen.token;
  if (Contains(sequence.request.stop_tokens, token)) {
    actions.finished.push_back({id, FinishReason::kStop});
    End(entry);
    return;
  }
  ++sequence.generated;
  actions.tokens.push_back({id, std::move(result)});
  const size_t length = sequence.request.prompt.size() + sequence.generated;
  if (sequence.generated == sequence.request.max_tokens || length == config_.context) {
    actions.finished.push_back({id, FinishReason::kLength});
    End(entry);
    return;
  }
  sequence.next = token;
  ready_.push_back(id);
}

// Rows of it may still be in flight: the release follows them through the stages.
void Scheduler::End(Running::iterator entry) {
  const auto& [id, sequence] = *entry;
  if (sequence.sent > 0) {
    ended_.push_back({id, sequence.pages});
  } else {
    pool_.Return(sequence.pages);  // no stage has heard of it
  }
  ready_.erase(std::remove(ready_.begin(), ready_.end(), id), ready_.end());
  running_.erase(entry);
}

}  // namespace tern
