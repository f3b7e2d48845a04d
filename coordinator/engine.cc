// SPDX-License-Identifier: MIT
// Every public call leaves a task for the engine's thread. So the scheduler, the requests and the
// link have one owner and no lock, and listeners are called without one.
#include "coordinator/engine.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/mutex.h"
#include "coordinator/stop_text.h"

namespace tern {
namespace {

using Clock = std::chrono::steady_clock;

absl::Duration Since(Clock::time_point start) { return absl::FromChrono(Clock::now() - start); }

// A request from Submit to OnFinish.
struct Active {
  Active(const Tokenizer& tokenizer, std::vector<std::string> stops,
         std::shared_ptr<GenerationListener> owner, const GenerationStats& so_far,
         Clock::time_point submitted)
      : listener(std::move(owner)),
        decoder(tokenizer),
        stop(std::move(stops)),
        start(submitted),
        stats(so_far) {}

  const std::shared_ptr<GenerationListener> listener;
  StreamingDecoder decoder;
  StopText stop;
  const Clock::time_point start;
  GenerationStats stats;
};

}  // namespace

class Engine::Impl {
 public:
  Impl(const Tokenizer& tokenizer, std::function<void(absl::Status)> on_pipeline_error)
      : tokenizer_(tokenizer),
        on_pipeline_error_(std::move(on_pipeline_error)),
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
      TERN_CHECK(!scheduler_.has_value());
      scheduler_.emplace(config);
      config_ = config;
      first_stage_ = std::move(link);
    });
  }

  void StopPipeline(absl::Status reason) {
    Post([this, reason = std::move(reason)] { Stop(reason); });
  }

  void OnFrame(Frame frame) {
    Post([this, frame = std::move(frame)]() mutable { Take(std::move(frame)); });
  }

  RequestId Submit(GenerationRequest request, std::shared_ptr<GenerationListener> listener) {
    const Clock::time_point now = Clock::now();
    MutexLock lock(mu_);
    const RequestId id = ++last_id_;
    PostLocked(
        [this, id, now, request = std::move(request), listener = std::move(listener)]() mutable {
          Begin(id, std::move(request), std::move(listener), now);
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
    return stats_;
  }

  bool WaitIdle(absl::Duration timeout) ABSL_LOCKS_EXCLUDED(mu_) {
    const Clock::time_point start = Clock::now();
    MutexLock lock(mu_);
    while (!idle_) {
      const absl::Duration left = timeout - Since(start);
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
  std::deque<Task> WaitForTasks() ABSL_LOCKS_EXCLUDED(mu_);
  void SendSteps();
  void Publish() ABSL_LOCKS_EXCLUDED(mu_);

  void Begin(RequestId id, GenerationRequest request, std::shared_ptr<GenerationListener> listener,
             Clock::time_point submitted);
  void Take(Frame frame);
  void Apply(SchedulerActions actions);
  void Deliver(SchedulerActions::Token token);
  void Finish(RequestId id, FinishReason reason, const absl::Status& status);
  void Stop(const absl::Status& reason);
  void Break(const absl::Status& reason);

  const Tokenizer& tokenizer_;
  const std::function<void(absl::Status)> on_pipeline_error_;

  // Of the engine's thread alone.
  std::optional<Scheduler> scheduler_;  // while a pipeline is up
  SchedulerConfig config_;
  std::unique_ptr<FrameSender> first_stage_;
  absl::Status down_reason_ = absl::UnavailableError("no pipeline is up yet");
  std::map<RequestId, Active> active_;
  uint64_t steps_done_ = 0;

  mutable Mutex mu_;
  CondVar wake_;
  CondVar idle_changed_;
  std::deque<Task> tasks_ ABSL_GUARDED_BY(mu_);
  RequestId last_id_ ABSL_GUARDED_BY(mu_) = 0;
  bool idle_ ABSL_GUARDED_BY(mu_) = true;  // no task, request or step
  bool quit_ ABSL_GUARDED_BY(mu_) = false;
  Stats stats_ ABSL_GUARDED_BY(mu_);

  std::thread thread_;  // last: it uses everything above
};

void Engine::Impl::Loop() {
  while (true) {
    std::deque<Task> tasks = WaitForTasks();
    if (tasks.empty()) return;
    for (Task& task : tasks) task();
    SendSteps();
    Publish();
  }
}

// All that have come meanwhile, so that their rows share a step. Empty at the end.
std::deque<Engine::Impl::Task> Engine::Impl::WaitForTasks() {
  MutexLock lock(mu_);
  while (tasks_.empty() && !quit_) wake_.Wait(mu_);
  return std::exchange(tasks_, {});
}

void Engine::Impl::SendSteps() {
  if (!scheduler_.has_value()) return;
  for (StepFrame& step : scheduler_->Poll().steps) first_stage_->Send(std::move(step));
}

void Engine::Impl::Publish() {
  Stats stats;
  stats.pipeline_up = scheduler_.has_value();
  stats.steps_done = steps_done_;
  if (stats.pipeline_up) {
    stats.running = scheduler_->running();
    stats.waiting = scheduler_->waiting();
    stats.free_kv_pages = scheduler_->free_pages();
    stats.kv_pages = config_.kv_pages;
  }
  const bool quiet = active_.empty() && (!stats.pipeline_up || scheduler_->in_flight() == 0);
  MutexLock lock(mu_);
  stats_ = stats;
  idle_ = quiet && tasks_.empty();
  if (idle_) idle_changed_.NotifyAll();
}

void Engine::Impl::Begin(RequestId id, GenerationRequest request,
                         std::shared_ptr<GenerationListener> listener,
                         Clock::time_point submitted) {
  GenerationStats stats;
  stats.prompt_tokens = static_cast<uint32_t>(request.prompt.size());
  std::vector<std::string> stop = request.stop;
  absl::Status status = Validate(request, tokenizer_.vocab());
  if (status.ok()) {
    status = scheduler_.has_value() ? scheduler_->Submit(id, std::move(request)) : down_reason_;
  }
  if (!status.ok()) {
    stats.total = Since(submitted);
    return listener->OnFinish(FinishReason::kError, "", status, stats);
  }
  active_.try_emplace(id, tokenizer_, std::move(stop), std::move(listener), stats, submitted);
}

void Engine::Impl::Take(Frame frame) {
  const uint64_t epoch = std::visit([](const auto& any) { return any.epoch; }, frame);
  if (!scheduler_.has_value() || epoch != config_.epoch) return;
  ResultFrame* result = std::get_if<ResultFrame>(&frame);
  if (result == nullptr) {
    return Break(absl::InternalError("last stage: found a step, want a result"));
  }
  absl::StatusOr<SchedulerActions> actions = scheduler_->OnResult(std::move(*result));
  if (!actions.ok()) return Break(actions.status());
  ++steps_done_;
  Apply(*std::move(actions));
}

void Engine::Impl::Apply(SchedulerActions actions) {
  for (SchedulerActions::Token& token : actions.tokens) Deliver(std::move(token));
  for (const SchedulerActions::Finished& finished : actions.finished) {
    const bool cancelled = finished.reason == FinishReason::kCancelled;
    Finish(finished.request, finished.reason,
           cancelled ? absl::CancelledError("the request was cancelled") : absl::OkStatus());
  }
}

void Engine::Impl::Deliver(SchedulerActions::Token token) {
  const auto found = active_.find(token.request);
  TERN_CHECK(found != active_.end());
  Active& request = found->second;
  if (request.stats.generated_tokens++ == 0) {
    request.stats.time_to_first_token = Since(request.start);
  }
  GeneratedToken generated;
  generated.text = request.stop.Push(request.decoder.Push(token.result.sampled.chosen.token));
  generated.sampled = std::move(token.result.sampled);
  generated.logits = std::move(token.result.logits);
  request.listener->OnToken(generated);
  if (request.stop.stopped()) Apply(scheduler_->Cancel(token.request, FinishReason::kStop));
}

void Engine::Impl::Finish(RequestId id, FinishReason reason, const absl::Status& status) {
  const auto found = active_.find(id);
  if (found == active_.end()) return;
  Active& request = found->second;
  request.stats.total = Since(request.start);
  std::string tail;
  if (request.stop.stopped()) {
    // The token that ended it for its length may have completed a stop text, too.
    if (reason == FinishReason::kLength) reason = FinishReason::kStop;
  } else {
    tail = request.stop.Push(request.decoder.Finish());
    tail += request.stop.Finish();
  }
  request.listener->OnFinish(reason, tail, status, request.stats);
  active_.erase(found);
}

void Engine::Impl::Stop(const absl::Status& reason) {
  if (!scheduler_.has_value()) return;
  scheduler_.reset();
  first_stage_.reset();
  down_reason_ = reason;
  const FinishReason finish =
      absl::IsCancelled(reason) ? FinishReason::kCancelled : FinishReason::kError;
  while (!active_.empty()) Finish(active_.begin()->first, finish, reason);
}

void Engine::Impl::Break(const absl::Status& reason) {
  Stop(reason);
  if (on_pipeline_error_) on_pipeline_error_(reason);
}

Engine::Engine(const Tokenizer& tokenizer, std::function<void(absl::Status)> on_pipeline_error)
    : impl_(std::make_unique<Impl>(tokenizer, std::move(on_pipeline_error))) {}

Engine::~Engine() = default;

void Engine::StartPipeline(const SchedulerConfig& config,
                           std::unique_ptr<FrameSender> first_stage) {
  impl_->StartPipeline(config, std::move(first_stage));
}

void Engine::StopPipeline(absl::Status reason) { impl_->StopPipeline(std::move(reason)); }

void Engine::OnFrame(Frame frame) { impl_->OnFrame(std::move(frame)); }

RequestId Engine::Submit(GenerationRequest request, std::shared_ptr<GenerationListener> listener) {
  return impl_->Submit(std::move(request), std::move(listener));
}

void Engine::Cancel(RequestId id) { impl_->Cancel(id); }

Engine::Stats Engine::stats() const { return impl_->stats(); }

bool Engine::WaitIdle(absl::Duration timeout) { return impl_->WaitIdle(timeout); }

}  // namespace tern
