// SPDX-License-Identifier: MIT
// Runs requests over a pipeline: owns the scheduler, sends its steps to the first stage, takes
// results from the last, turns tokens into text and tells each request's listener.
#ifndef TERN_COORDINATOR_ENGINE_H_
#define TERN_COORDINATOR_ENGINE_H_

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "cluster/transport.h"
#include "coordinator/request.h"
#include "coordinator/scheduler.h"
#include "text/tokenizer.h"

namespace tern {

// Thread-safe. All work happens on one thread of its own; listeners are called from it.
class Engine {
 public:
  // `tokenizer` must outlive the engine. `on_pipeline_error`, if set, is called from the engine's
  // thread when it stopped the pipeline by itself (see OnFrame), with the reason. When a pipeline
  // is lost, requests wait up to `recovery_timeout` for another.
  explicit Engine(const Tokenizer& tokenizer,
                  std::function<void(absl::Status)> on_pipeline_error = {},
                  absl::Duration recovery_timeout = absl::ZeroDuration());
  // Ends every request with CANCELLED. OnFrame must not be called any more.
  ~Engine();

  // Takes up service over a committed pipeline whose first stage is behind `first_stage`. Requests
  // that wait since the last one was lost go on where they were: the tokens they have are computed
  // anew, not delivered again. REQUIRES that no pipeline is up.
  void StartPipeline(const SchedulerConfig& config, std::unique_ptr<FrameSender> first_stage);

  // The pipeline is gone for good: every request ends with `reason` (UNAVAILABLE says it may be
  // retried), as do new ones until the next StartPipeline. Does nothing without a pipeline or
  // requests that wait for one. Returns at once, so it may be called from anywhere; the link to the
  // first stage is closed soon after.
  void StopPipeline(absl::Status reason);

  // The pipeline is gone and another expected: requests, also new ones, wait for it, but no longer
  // than the recovery timeout. Then, or at once if that is 0, they end with `reason`.
  // `planned`: the other one will be there soon, and requests wait for it whatever that timeout.
  // May also be said of one that did not come up: `reason` is what new requests are told, then.
  void LosePipeline(absl::Status reason, bool planned = false);

  // A frame from the last stage. Frames of another epoch are dropped; a frame that cannot be ours
  // stops the pipeline, with INTERNAL.
  void OnFrame(Frame frame);

  // The first stage took a step off its queue, and all before (Scheduler::OnTaken).
  void OnTaken(uint64_t epoch, uint64_t step);

  // Starts a request. The listener hears of it from now on, until OnFinish. Errors (UNAVAILABLE
  // without a pipeline, those of Scheduler::Submit and Validate) come as OnFinish too, so that
  // there is one way for a request to end. The listener is shared because an RPC and the engine
  // end independently.
  RequestId Submit(GenerationRequest request, std::shared_ptr<GenerationListener> listener);

  // Ends a request with CANCELLED and frees its KV cache on every stage. Does nothing if it ended.
  void Cancel(RequestId id);

  struct Stats {
    bool pipeline_up = false;
    size_t running = 0;  // sequences
    size_t waiting = 0;
    uint64_t kv_pages = 0;
    uint64_t free_kv_pages = 0;    // that a sequence could have, the cached ones among them
    uint64_t cached_kv_pages = 0;  // held by nobody, kept for who begins with the same tokens
    size_t steps_in_flight = 0;
    uint32_t max_steps_in_flight = 0;
    double tokens_per_second = 0;  // generated, over the last 10 s
    // Since the engine began:
    uint64_t steps_done = 0;
    uint64_t generated_tokens = 0;
    uint64_t admitted_tokens = 0;  // that sequences began with, also when they began again
    uint64_t shared_tokens = 0;    // of those, found in cached pages
    uint64_t preemptions = 0;
    uint64_t recoveries = 0;    // pipelines that requests went on over
    absl::Duration busy;        // with steps in flight
    absl::Duration scheduling;  // the engine's thread at work, meanwhile or not
  };
  Stats stats() const;

  // Waits until no request is running or waiting and no step is in flight, so that every stage has
  // freed what it held, or `timeout` passed; whether it is so.
  bool WaitIdle(absl::Duration timeout);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tern

#endif  // TERN_COORDINATOR_ENGINE_H_
