// SPDX-License-Identifier: MIT
// Drives a stage: takes frames from the transport, computes on a thread of its own, hands results
// to the next link. So sending step j overlaps computing step j + 1.
#ifndef TERN_WORKER_STAGE_RUNNER_H_
#define TERN_WORKER_STAGE_RUNNER_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <thread>

#include "absl/time/time.h"
#include "base/histogram.h"
#include "base/mutex.h"
#include "cluster/transport.h"
#include "worker/stage.h"

namespace tern {

// Thread-safe.
class StageRunner {
 public:
  // Owns the stage and the link to the next one. `on_failure` is called once, from the compute
  // thread, if a step fails; the runner computes nothing after that. It must not destroy the
  // runner. `on_taken`, if set, is called from the compute thread whenever a frame leaves the
  // queue. `step_times`, which may be null and must outlive it, is told how long each step took.
  StageRunner(std::unique_ptr<Stage> stage, std::unique_ptr<FrameSender> next,
              std::function<void(absl::Status)> on_failure, std::function<void()> on_taken = {},
              Histogram* step_times = nullptr);
  // Finishes the step at work and drops those queued.
  ~StageRunner();
  StageRunner(const StageRunner&) = delete;
  StageRunner& operator=(const StageRunner&) = delete;

  // Queues a step; returns at once. A ResultFrame here is a failure: stages receive steps only.
  void Push(Frame frame) ABSL_LOCKS_EXCLUDED(mu_);

  uint64_t steps_done() const { return steps_done_.load(std::memory_order_relaxed); }
  // Spent computing those.
  absl::Duration busy() const {
    return absl::Nanoseconds(busy_nanoseconds_.load(std::memory_order_relaxed));
  }
  // The step at work among them.
  uint64_t steps_queued() const ABSL_LOCKS_EXCLUDED(mu_);

  // Ends the runner as the destructor does, and returns its stage. REQUIRES that it is called once.
  std::unique_ptr<Stage> Finish() ABSL_LOCKS_EXCLUDED(mu_);

  // For tests: REQUIRES that no step is queued.
  const Stage& stage() const { return *stage_; }

 private:
  void Loop();
  // False once the runner is closed.
  bool WaitForFrame(Frame& frame) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status RunStep(Frame frame);

  std::unique_ptr<Stage> stage_;
  const std::unique_ptr<FrameSender> next_;
  const std::function<void(absl::Status)> on_failure_;
  const std::function<void()> on_taken_;
  Histogram* const step_times_;
  std::atomic<uint64_t> steps_done_{0};
  std::atomic<int64_t> busy_nanoseconds_{0};

  mutable Mutex mu_;
  CondVar wake_;
  std::deque<Frame> queue_ ABSL_GUARDED_BY(mu_);
  bool at_work_ ABSL_GUARDED_BY(mu_) = false;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;  // failed or being destroyed: takes no frame

  std::thread thread_;  // last: it uses everything above
};

}  // namespace tern

#endif  // TERN_WORKER_STAGE_RUNNER_H_
