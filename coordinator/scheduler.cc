// SPDX-License-Identifier: MIT
#include "coordinator/scheduler.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace tern {
namespace {

// Pipelines that a request may lose, without a token in between, before it ends with an error.
constexpr uint32_t kMostLosses = 3;

constexpr uint32_t kMostStepsPerStage = 4;

template <typename Container, typename Value>
bool Contains(const Container& container, const Value& value) {
  return std::find(container.begin(), container.end(), value) != container.end();
}

void CheckConfig(const SchedulerConfig& config) {
  TERN_CHECK(config.stages > 0 && config.prefill_chunk > 0 && config.max_rows > 0);
  TERN_CHECK(config.mixed_prefill_rows > 0 && config.max_queue > 0);
  TERN_CHECK(config.kv_pages > 0 && config.context > 0);
}

}  // namespace

Scheduler::Scheduler(const SchedulerConfig& config)
    : config_(config),
      pool_(config.kv_pages),
      prompt_budget_(config.mixed_prefill_rows),
      max_in_flight_(config.stages + 1) {
  CheckConfig(config);
}

absl::Status Scheduler::Submit(RequestId id, GenerationRequest request, absl::Time now) {
  TERN_CHECK(id > last_request_ && !request.prompt.empty() && request.max_tokens > 0);
  TERN_CHECK(request.samples > 0);
  last_request_ = id;
  now_ = std::max(now_, now);
  TERN_RETURN_IF_ERROR(CheckRequest(request));
  Sequence first;
  first.tokens = std::exchange(request.prompt, {});
  first.prompt = static_cast<uint32_t>(first.tokens.size());
  // The last token of a sequence is never sent down.
  first.most_pages = KvPagesFor(
      std::min<uint64_t>(uint64_t{first.prompt} + request.max_tokens, config_.context) - 1);
  first.priority = request.priority;
  first.since = now_;
  if (request.deadline != absl::InfiniteFuture()) deadlines_.insert({request.deadline, id});
  first.request = std::make_shared<const GenerationRequest>(std::move(request));
  for (uint32_t sample = first.request->samples; sample-- > 1;) {
    sequences_.emplace(Key{id, sample}, first);
  }
  Enter(*sequences_.emplace(Key{id, 0}, std::move(first)).first, State::kWaiting);
  return absl::OkStatus();
}

SchedulerActions Scheduler::Cancel(RequestId id) {
  return EndRequest(id, FinishReason::kCancelled);
}

SchedulerActions Scheduler::Finish(RequestId id, uint32_t sample, FinishReason reason) {
  SchedulerActions actions;
  const auto entry = sequences_.find({id, sample});
  if (entry == sequences_.end()) return actions;
  End(entry);
  actions.finished.push_back({id, sample, reason});
  return actions;
}

SchedulerActions Scheduler::EndRequest(RequestId id, FinishReason reason) {
  SchedulerActions actions;
  for (auto entry = sequences_.lower_bound({id, 0});
       entry != sequences_.end() && entry->first.request == id;
       entry = sequences_.lower_bound({id, 0})) {
    actions.finished.push_back({id, entry->first.sample, reason});
    End(entry);
  }
  return actions;
}

absl::StatusOr<SchedulerActions> Scheduler::OnResult(ResultFrame result, absl::Time now) {
  TERN_RETURN_IF_ERROR(Check(result));
  now_ = std::max(now_, now);
  const InFlight flight = std::move(in_flight_.front());
  in_flight_.pop_front();
  decode_steps_ -= flight.decodes();
  prompt_rows_ -= flight.prompt_rows;
  prompt_positions_ -= flight.prompt_positions;
  if (flight.decodes() && !flight.queued) {
    prompt_budget_.OnStep(flight.generating, flight.mean_prompt_rows, flight.mean_position,
                          now_ - flight.sent);
  }
  SchedulerActions actions;
  for (size_t i = 0; i < flight.sampled.size(); ++i) {
    OnToken(flight.sampled[i], std::move(result.results[i]), actions);
  }
  return actions;
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
                   return asked.id == found.sequence && asked.position == found.position;
                 });
  if (same) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("result of step ", result.step,
                                          ": found other sequences or positions than were sent"));
}

void Scheduler::OnToken(const Sampled& asked, SequenceResult result, SchedulerActions& actions) {
  const auto entry = sequences_.find(asked.key);
  if (entry == sequences_.end()) return;  // it ended meanwhile
  const auto& [request, sample] = asked.key;
  Sequence& sequence = entry->second;
  const TokenId token = result.sampled.chosen.token;
  if (Contains(sequence.request->stop_tokens, token)) {
    actions.finished.push_back({request, sample, FinishReason::kStop});
    return End(entry);
  }
  sequence.tokens.push_back(token);
  sequence.losses = 0;
  actions.tokens.push_back({request, sample, std::move(result)});
  const size_t length = sequence.tokens.size();
  if (length - sequence.prompt == sequence.request->max_tokens || length == config_.context) {
    actions.finished.push_back({request, sample, FinishReason::kLength});
    return End(entry);
  }
  Enter(*entry, State::kReady);
}

SchedulerActions Scheduler::Poll(absl::Time now) {
  now_ = std::max(now_, now);
  SchedulerActions actions;
  while (!deadlines_.empty() && deadlines_.begin()->first <= now_) {
    const RequestId late = deadlines_.begin()->second;
    for (SchedulerActions::Finished& end : EndRequest(late, FinishReason::kDeadline).finished) {
      actions.finished.push_back(std::move(end));
    }
  }
  if (suspended_) return actions;
  RaisePriorities();
  while (in_flight_.size() < max_in_flight_) {
    std::optional<StepFrame> step = NextStep();
    if (!step.has_value()) break;
    actions.steps.push_back(std::move(*step));
  }
  return actions;
}

absl::Time Scheduler::next_deadline() const {
  return deadlines_.empty() ? absl::InfiniteFuture() : deadlines_.begin()->first;
}

void Scheduler::OnTaken(uint64_t step) {
  if (step >= next_step_) return;
  taken_ = std::max(taken_, step);
  const bool more_could_go = !ready_.empty() || !prompts_.empty();
  if (taken_ + 1 == next_step_ && in_flight_.size() >= max_in_flight_ && more_could_go) {
    max_in_flight_ = std::min(max_in_flight_ + 1, kMostStepsPerStage * config_.stages);
  }
}

SchedulerActions Scheduler::Suspend() {
  suspended_ = true;
  in_flight_.clear();
  decode_steps_ = prompt_rows_ = 0;
  prompt_positions_ = 0;
  std::vector<Sequences::iterator> lost;
  for (auto entry = sequences_.begin(); entry != sequences_.end(); ++entry) {
    if (entry->second.id == 0) continue;
    Unseat(*entry);
    Enter(*entry, State::kWaiting);
    if (++entry->second.losses > kMostLosses) lost.push_back(entry);
  }
  released_.clear();
  SchedulerActions actions;
  for (const Sequences::iterator& entry : lost) {
    actions.finished.push_back(
        {entry->first.request, entry->first.sample, FinishReason::kError,
         absl::UnavailableError(absl::StrCat("the request lost ", kMostLosses + 1,
                                             " pipelines without a token in between"))});
    End(entry);
  }
  return actions;
}

SchedulerActions Scheduler::Restart(const SchedulerConfig& config) {
  CheckConfig(config);
  SchedulerActions actions = Suspend();
  config_ = config;
  pool_ = PagePool(config.kv_pages);
  prompt_budget_ = PromptBudget(config.mixed_prefill_rows);
  suspended_ = false;
  next_step_ = 1;
  taken_ = 0;
  queued_long_ = 0;
  max_in_flight_ = config.stages + 1;
  for (auto entry = sequences_.begin(); entry != sequences_.end();) {
    const auto here = entry++;
    if (here->second.most_pages <= config.kv_pages) continue;
    actions.finished.push_back({here->first.request, here->first.sample, FinishReason::kError,
                                absl::ResourceExhaustedError(absl::StrCat(
                                    "KV cache: the request needs ", here->second.most_pages,
                                    " pages, found ", config.kv_pages, " in the new plan"))});
    End(here);
  }
  return actions;
}

Scheduler::Place Scheduler::PlaceOf(const Entry& entry) {
  return {-static_cast<int>(entry.second.priority), entry.first};
}

Scheduler::Turn Scheduler::TurnOf(const Entry& entry) {
  return {-static_cast<int>(entry.second.priority), entry.second.turn};
}

void Scheduler::Enter(Entry& entry, State state) {
  Leave(entry);
  Sequence& sequence = entry.second;
  sequence.state = state;
  sequence.since = now_;
  sequence.turn = ++last_turn_;
  if (state == State::kWaiting) waiting_.emplace(PlaceOf(entry), &entry);
  if (state == State::kPrompt) prompts_.emplace(TurnOf(entry), &entry);
  if (state == State::kReady) ready_.emplace(sequence.turn, &entry);
}

void Scheduler::Leave(Entry& entry) {
  const Sequence& sequence = entry.second;
  if (sequence.state == State::kWaiting) waiting_.erase(PlaceOf(entry));
  if (sequence.state == State::kPrompt) prompts_.erase(TurnOf(entry));
  if (sequence.state == State::kReady) ready_.erase(sequence.turn);
}

// Rows of it may still be in flight: their answers find it gone.
void Scheduler::End(Sequences::iterator entry) {
  const Key key = entry->first;
  const absl::Time deadline = entry->second.request->deadline;
  Leave(*entry);
  if (entry->second.id != 0) Unseat(*entry);
  sequences_.erase(entry);
  if (key.sample == 0) AdmitSamples(key.request);
  const auto other = sequences_.lower_bound({key.request, 0});
  if (other != sequences_.end() && other->first.request == key.request) return;
  deadlines_.erase({deadline, key.request});
  if (last_end_ != absl::InfinitePast()) {
    const absl::Duration passed = now_ - last_end_;
    between_ends_ =
        between_ends_ == absl::ZeroDuration() ? passed : between_ends_ * 0.9 + passed * 0.1;
  }
  last_end_ = now_;
}

}  // namespace tern
