// SPDX-License-Identifier: MIT
#include "worker/stage_runner.h"

#include <utility>

#include "base/log.h"
#include "base/status_macros.h"
#include "cluster/clock.h"

namespace tern {

StageRunner::StageRunner(std::unique_ptr<Stage> stage, std::unique_ptr<FrameSender> next,
                         std::function<void(absl::Status)> on_failure,
                         std::function<void()> on_taken, Histogram* step_times)
    : stage_(std::move(stage)),
      next_(std::move(next)),
      on_failure_(std::move(on_failure)),
      on_taken_(std::move(on_taken)),
      step_times_(step_times),
      thread_([this] { Loop(); }) {
  TERN_CHECK(stage_ != nullptr && next_ != nullptr && on_failure_ != nullptr);
}

StageRunner::~StageRunner() {
  if (thread_.joinable()) Finish();
}

std::unique_ptr<Stage> StageRunner::Finish() {
  {
    MutexLock lock(mu_);
    closed_ = true;
    queue_.clear();
  }
  wake_.NotifyOne();
  thread_.join();
  return std::move(stage_);
}

void StageRunner::Push(Frame frame) {
  {
    MutexLock lock(mu_);
    if (closed_) return;
    queue_.push_back(std::move(frame));
  }
  wake_.NotifyOne();
}

uint64_t StageRunner::steps_queued() const {
  MutexLock lock(mu_);
  return queue_.size() + (at_work_ ? 1 : 0);
}

void StageRunner::Loop() {
  Frame frame;
  while (WaitForFrame(frame)) {
    if (on_taken_) on_taken_();
    const absl::Status status = RunStep(std::move(frame));
    if (status.ok()) continue;
    {
      MutexLock lock(mu_);
      closed_ = true;
      queue_.clear();
    }
    return on_failure_(status);
  }
}

bool StageRunner::WaitForFrame(Frame& frame) {
  MutexLock lock(mu_);
  at_work_ = false;
  while (queue_.empty() && !closed_) wake_.Wait(mu_);
  if (closed_) return false;
  at_work_ = true;
  frame = std::move(queue_.front());
  queue_.pop_front();
  return true;
}

absl::Status StageRunner::RunStep(Frame frame) {
  StepFrame* step = std::get_if<StepFrame>(&frame);
  if (step == nullptr) {
    return absl::InvalidArgumentError("stage: found a result, want a step");
  }
  const absl::Time begin = MonotonicNow();
  TERN_ASSIGN_OR_RETURN(Frame done, stage_->Run(std::move(*step)));
  const absl::Duration took = MonotonicNow() - begin;
  busy_nanoseconds_.fetch_add(absl::ToInt64Nanoseconds(took), std::memory_order_relaxed);
  if (step_times_ != nullptr) step_times_->Add(took);
  next_->Send(std::move(done));
  steps_done_.fetch_add(1, std::memory_order_relaxed);
  return absl::OkStatus();
}

}  // namespace tern
