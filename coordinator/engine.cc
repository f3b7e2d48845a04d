// SPDX-License-Identifier: MIT
// Every public call leaves a task for the engine's thread. So the scheduler, the requests and the
// link have one owner and no lock, and listeners are called without one.
#include "coordinator/engine.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "base/log.h"
#include "base/mutex.h"
#include "cluster/clock.h"
#include "coordinator/live_request.h"
#include "coordinator/outbox.h"
#include "coordinator/rate_meter.h"

namespace tern {
namespace {

// How long requests wait at least for a pipeline that is being moved to.
constexpr absl::Duration kPlannedTimeout = absl::Seconds(60);

}  // namespace

class Engine::Impl {
 public:
  Impl(const Tokenizer& tokenizer, std::function<void(absl::Status)> on_pipeline_error,
       absl::Duration recovery_timeout)
      : tokenizer_(tokenizer),
        on_pipeline_error_(std::move(on_pipeline_error)),
        recovery_timeout_(recovery_timeout),
        thread_([this] { Loop(); }) {}

  ~Impl() {
    {
      MutexLock lock(mu_);
      PostLocked([this] { Stop(absl::CancelledError("the engine shut down")); });
      quit_ = true;
    }
    thread_.join();
  }

  void StartPipeline(const SchedulerConfig& config, std::unique_ptr<FrameSender> first_stage) {
    Post([this, config, link = std::move(first_stage)]() mutable {
      Begin(config, std::move(link));
    });
  }

  void StopPipeline(absl::Status reason) {
    Post([this, reason = std::move(reason)] { Stop(reason); });
  }

  void LosePipeline(absl::Status reason, bool planned) {
    Post([this, planned, reason = std::move(reason)] {
      Lose(reason, planned ? std::max(recovery_timeout_, kPlannedTimeout) : recovery_timeout_);
    });
  }

  void OnTaken(uint64_t epoch, uint64_t step) {
    Post([this, epoch, step] {
      if (is_up() && epoch == config_.epoch) scheduler_->OnTaken(step);
    });
  }

  void OnFrame(Frame frame) {
    Post([this, frame = std::move(frame)]() mutable { Take(std::move(frame)); });
  }

  RequestId Submit(GenerationRequest request, std::shared_ptr<GenerationListener> listener) {
    const absl::Time now = MonotonicNow();
    MutexLock lock(mu_);
    const RequestId id = ++last_id_;
    PostLocked(
        [this, id, now, request = std::move(request), listener = std::move(listener)]() mutable {
          Accept(id, std::move(request), std::move(listener), now);
        });
    return id;
  }

  void Cancel(RequestId id) {
    Post([this, id] {
      if (scheduler_.has_value()) Apply(scheduler_->Cancel(id));
    });
  }

  Stats stats() const ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    Stats stats = stats_;
    stats.tokens_per_second = tokens_.PerSecond(MonotonicNow());
    return stats;
  }

  bool WaitIdle(absl::Duration timeout) ABSL_LOCKS_EXCLUDED(mu_) {
    const absl::Time end = MonotonicNow() + timeout;
    MutexLock lock(mu_);
    while (!idle_) {
      const absl::Duration left = end - MonotonicNow();
      if (left <= absl::ZeroDuration()) return false;
      idle_changed_.WaitFor(mu_, std::min(left, absl::Hours(1)));  // the clock would overflow
    }
    return true;
  }

 private:
  using Task = absl::AnyInvocable<void()>;

  void Post(Task task) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    PostLocked(std::move(task));
  }
  void PostLocked(Task task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    tasks_.push_back(std::move(task));
    idle_ = false;
    wake_.NotifyOne();
  }

  // --- On the engine's thread ---

  void Loop();
  // All that have come meanwhile, so that their rows share a step. False at the end.
  bool WaitForTasks(std::deque<Task>& tasks) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Time WakeTime() const;
  void SendSteps();
  void CountTime(absl::Time woke);
  void Publish() ABSL_LOCKS_EXCLUDED(mu_);

  void Begin(const SchedulerConfig& config, std::unique_ptr<FrameSender> first_stage);
  void Accept(RequestId id, GenerationRequest request, std::shared_ptr<GenerationListener> listener,
              absl::Time submitted);
  void Take(Frame frame);
  void Apply(SchedulerActions actions);
  void Deliver(SchedulerActions::Token token);
  void Finish(RequestId id, uint32_t sample, FinishReason reason, const absl::Status& status);
  void Stop(const absl::Status& reason);
  void Lose(const absl::Status& reason, absl::Duration timeout);
  void Break(const absl::Status& reason);
  bool is_up() const { return first_stage_ != nullptr; }

  const Tokenizer& tokenizer_;
  const std::function<void(absl::Status)> on_pipeline_error_;
  const absl::Duration recovery_timeout_;

  // Of the engine's thread alone.
  std::optional<Scheduler> scheduler_;  // while a pipeline is up, or expected
  SchedulerConfig config_;
  std::unique_ptr<FrameSender> first_stage_;     // while a pipeline is up
  absl::Time give_up_ = absl::InfiniteFuture();  // if no other pipeline has come
  absl::Status down_reason_ = absl::UnavailableError("no pipeline is up yet");
  Outbox outbox_;
  std::map<RequestId, LiveRequest> live_;
  Stats totals_;  // what counts up
  absl::Time last_time_ = absl::InfinitePast();
  bool was_busy_ = false;

  mutable Mutex mu_;
  CondVar wake_;
  CondVar idle_changed_;
  std::deque<Task> tasks_ ABSL_GUARDED_BY(mu_);
  RequestId last_id_ ABSL_GUARDED_BY(mu_) = 0;
  bool idle_ ABSL_GUARDED_BY(mu_) = true;  // no task, request or step
  bool quit_ ABSL_GUARDED_BY(mu_) = false;
  Stats stats_ ABSL_GUARDED_BY(mu_);
  mutable RateMeter tokens_ ABSL_GUARDED_BY(mu_);

  std::thread thread_;  // last: it uses everything above
};

void Engine::Impl::Loop() {
  std::deque<Task> tasks;
  while (WaitForTasks(tasks)) {
    const absl::Time woke = MonotonicNow();
    for (Task& task : tasks) task();
    if (woke >= give_up_) Stop(down_reason_);
    SendSteps();
    outbox_.Flush();
    CountTime(woke);
    Publish();
  }
}

bool Engine::Impl::WaitForTasks(std::deque<Task>& tasks) {
  const absl::Time wake_time = WakeTime();
  MutexLock lock(mu_);
  while (tasks_.empty() && !quit_) {
    const absl::Duration left = wake_time - MonotonicNow();
    if (left <= absl::ZeroDuration()) break;
    wake_.WaitFor(mu_, std::min(left, absl::Hours(1)));  // the clock would overflow
  }
  tasks = std::exchange(tasks_, {});
  return !tasks.empty() || !quit_;
}

absl::Time Engine::Impl::WakeTime() const {
  if (!scheduler_.has_value()) return absl::InfiniteFuture();
  return std::min(give_up_, scheduler_->next_deadline());
}

void Engine::Impl::SendSteps() {
  if (!scheduler_.has_value()) return;
  SchedulerActions actions = scheduler_->Poll(MonotonicNow());
  for (StepFrame& step : actions.steps) first_stage_->Send(std::move(step));
  Apply(std::move(actions));
}

void Engine::Impl::CountTime(absl::Time woke) {
  const absl::Time now = MonotonicNow();
  totals_.scheduling += now - woke;
  if (was_busy_) totals_.busy += now - last_time_;
  last_time_ = now;
  was_busy_ = scheduler_.has_value() && scheduler_->in_flight() > 0;
}

void Engine::Impl::Publish() {
  Stats stats = totals_;
  stats.pipeline_up = is_up();
  if (scheduler_.has_value()) {
    const Scheduler& scheduler = *scheduler_;
    stats.running = scheduler.running();
    stats.waiting = scheduler.waiting();
    stats.kv_pages = scheduler.pool().pages();
    stats.free_kv_pages = scheduler.pool().available();
    stats.cached_kv_pages = scheduler.pool().cached();
    stats.steps_in_flight = scheduler.in_flight();
    stats.max_steps_in_flight = scheduler.max_in_flight();
    stats.admitted_tokens += scheduler.counters().admitted_tokens;
    stats.shared_tokens += scheduler.counters().shared_tokens;
    stats.preemptions += scheduler.counters().preemptions;
  }
  const bool quiet = live_.empty() && stats.steps_in_flight == 0;
  MutexLock lock(mu_);
  tokens_.Count(stats.generated_tokens - stats_.generated_tokens, last_time_);
  stats_ = stats;
  idle_ = quiet && tasks_.empty();
  if (idle_) idle_changed_.NotifyAll();
}

void Engine::Impl::Begin(const SchedulerConfig& config, std::unique_ptr<FrameSender> first_stage) {
  TERN_CHECK(!is_up());
  config_ = config;
  first_stage_ = std::move(first_stage);
  give_up_ = absl::InfiniteFuture();
  if (!scheduler_.has_value()) {
    scheduler_.emplace(config);
    return;
  }
  totals_.recoveries += !live_.empty();
  Apply(scheduler_->Restart(config));
}

void Engine::Impl::Accept(RequestId id, GenerationRequest request,
                          std::shared_ptr<GenerationListener> listener, absl::Time submitted) {
  GenerationStats stats;
  stats.prompt_tokens = static_cast<uint32_t>(request.prompt.size());
  absl::Status status = Validate(request, tokenizer_.vocab());
  if (status.ok()) {
    const auto live =
        live_.try_emplace(id, tokenizer_, request, outbox_.Postpone(listener), submitted).first;
    status = scheduler_.has_value() ? scheduler_->Submit(id, std::move(request), submitted)
                                    : down_reason_;
    if (status.ok()) return;
    live_.erase(live);
  }
  stats.total = MonotonicNow() - submitted;
  listener->OnFinish(FinishReason::kError, "", status, stats);
}

void Engine::Impl::Take(Frame frame) {
  const uint64_t epoch = std::visit([](const auto& any) { return any.epoch; }, frame);
  if (!is_up() || epoch != config_.epoch) return;
  ResultFrame* result = std::get_if<ResultFrame>(&frame);
  if (result == nullptr) {
    return Break(absl::InternalError("last stage: found a step, want a result"));
  }
  absl::StatusOr<SchedulerActions> actions =
      scheduler_->OnResult(std::move(*result), MonotonicNow());
  if (!actions.ok()) return Break(actions.status());
  ++totals_.steps_done;
  Apply(*std::move(actions));
}

void Engine::Impl::Apply(SchedulerActions actions) {
  for (SchedulerActions::Token& token : actions.tokens) Deliver(std::move(token));
  for (const SchedulerActions::Finished& finished : actions.finished) {
    absl::Status status = finished.status;
    if (finished.reason == FinishReason::kCancelled) {
      status = absl::CancelledError("the request was cancelled");
    } else if (finished.reason == FinishReason::kDeadline) {
      status = absl::DeadlineExceededError("the request's deadline passed");
    }
    Finish(finished.request, finished.sample, finished.reason, status);
  }
}

void Engine::Impl::Deliver(SchedulerActions::Token token) {
  const auto found = live_.find(token.request);
  TERN_CHECK(found != live_.end());
  ++totals_.generated_tokens;
  if (found->second.Deliver(token.sample, std::move(token.result))) {
    Apply(scheduler_->Finish(token.request, token.sample, FinishReason::kStop));
  }
}

// Of a request that ends as a whole only the first sample is heard of.
void Engine::Impl::Finish(RequestId id, uint32_t sample, FinishReason reason,
                          const absl::Status& status) {
  const auto found = live_.find(id);
  if (found == live_.end()) return;
  if (!found->second.Finish(sample, reason, status)) return;
  live_.erase(found);
  if (!status.ok() && scheduler_.has_value()) scheduler_->Cancel(id);
}

void Engine::Impl::Stop(const absl::Status& reason) {
  if (!scheduler_.has_value()) return;
  totals_.admitted_tokens += scheduler_->counters().admitted_tokens;
  totals_.shared_tokens += scheduler_->counters().shared_tokens;
  totals_.preemptions += scheduler_->counters().preemptions;
  scheduler_.reset();
  first_stage_.reset();
  give_up_ = absl::InfiniteFuture();
  down_reason_ = reason;
  const FinishReason finish =
      absl::IsCancelled(reason) ? FinishReason::kCancelled : FinishReason::kError;
  while (!live_.empty()) Finish(live_.begin()->first, 0, finish, reason);
}

void Engine::Impl::Lose(const absl::Status& reason, absl::Duration timeout) {
  if (!scheduler_.has_value()) {  // one that did not come up: nobody waits, but others will ask
    down_reason_ = reason;
    return;
  }
  if (timeout <= absl::ZeroDuration()) return Stop(reason);
  if (!is_up()) return;
  first_stage_.reset();
  down_reason_ = reason;
  give_up_ = MonotonicNow() + timeout;
  Apply(scheduler_->Suspend());
}

void Engine::Impl::Break(const absl::Status& reason) {
  Stop(reason);
  if (on_pipeline_error_) on_pipeline_error_(reason);
}

Engine::Engine(const Tokenizer& tokenizer, std::function<void(absl::Status)> on_pipeline_error,
               absl::Duration recovery_timeout)
    : impl_(std::make_unique<Impl>(tokenizer, std::move(on_pipeline_error), recovery_timeout)) {}

Engine::~Engine() = default;

void Engine::StartPipeline(const SchedulerConfig& config,
                           std::unique_ptr<FrameSender> first_stage) {
  impl_->StartPipeline(config, std::move(first_stage));
}

void Engine::StopPipeline(absl::Status reason) { impl_->StopPipeline(std::move(reason)); }

void Engine::LosePipeline(absl::Status reason, bool planned) {
  impl_->LosePipeline(std::move(reason), planned);
}

void Engine::OnTaken(uint64_t epoch, uint64_t step) { impl_->OnTaken(epoch, step); }

void Engine::OnFrame(Frame frame) { impl_->OnFrame(std::move(frame)); }

RequestId Engine::Submit(GenerationRequest request, std::shared_ptr<GenerationListener> listener) {
  return impl_->Submit(std::move(request), std::move(listener));
}

void Engine::Cancel(RequestId id) { impl_->Cancel(id); }

Engine::Stats Engine::stats() const { return impl_->stats(); }

bool Engine::WaitIdle(absl::Duration timeout) { return impl_->WaitIdle(timeout); }

}  // namespace tern
