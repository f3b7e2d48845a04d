// SPDX-License-Identifier: MIT
// Decides which rows of which sequences run in which step. A pure state machine: events in, actions
// out; no clock, no lock, no socket. Tests drive it by text files (tests/coordinator/testdata).
//
// Policy: first come, first served. A request is admitted when KV pages for its prompt and every
// token it may generate are free on all stages (they are the same number on each), so a stage never
// runs out. Steps pass every stage in order, so pages are free again as soon as a step that releases
// them is on its way; such a step may have no rows. Up to `max_in_flight` steps travel the pipeline at once. A step takes the decode rows
// that are ready, at most an even share of the running sequences so that the steps in flight keep
// every stage busy, then fills up with prefill chunks, up to `max_rows` rows.
#ifndef TERN_COORDINATOR_SCHEDULER_H_
#define TERN_COORDINATOR_SCHEDULER_H_

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "absl/status/status.h"
#include "cluster/frame.h"
#include "coordinator/request.h"

namespace tern {

struct SchedulerConfig {
  uint64_t epoch = 0;
  uint32_t max_in_flight = 2;   // steps: stages + 1
  uint32_t prefill_chunk = 64;  // most prompt rows of one sequence in a step
  uint32_t max_rows = 256;      // of a step
  uint64_t kv_pages = 0;        // on every stage
  uint32_t context = 0;         // most tokens of a sequence
  uint32_t max_queue = 1024;    // requests waiting for admission
};

// What the engine has to do. Steps first, in order.
struct SchedulerActions {
  std::vector<StepFrame> steps;
  struct Token {
    RequestId request = 0;
    SequenceResult result;
  };
  std::vector<Token> tokens;  // to deliver, in order; a stop token is not among them
  struct Finished {
    RequestId request = 0;
    FinishReason reason = FinishReason::kStop;
  };
  std::vector<Finished> finished;
};

class Scheduler {
 public:
  explicit Scheduler(const SchedulerConfig& config) : config_(config) {}

  // Queues a request. INVALID_ARGUMENT if the prompt leaves no room for a token in the context
  // (found, allowed); RESOURCE_EXHAUSTED if it needs more pages than there are, or the queue is
  // full. Steps may follow from the next Poll.
  absl::Status Submit(RequestId id, const GenerationRequest& request);

  // Ends a request; its pages are released with the next step that passes the stages. Nothing
  // happens if it is unknown (it may have just finished). Gives kCancelled, or `reason`.
  SchedulerActions Cancel(RequestId id, FinishReason reason = FinishReason::kCancelled);

  // The last stage's answer to a step. INTERNAL if it answers a step that is not the oldest in
  // flight or a sequence that the step did not sample.
  absl::StatusOr<SchedulerActions> OnResult(const ResultFrame& result);

  // The steps that can go out now.
  SchedulerActions Poll();

  size_t running() const { return running_.size(); }
  size_t waiting() const { return waiting_.size(); }
  size_t in_flight() const { return in_flight_.size(); }
  uint64_t free_pages() const { return config_.kv_pages - pages_reserved_; }

 private:
  struct Sequence {
    GenerationRequest request;
    uint64_t pages = 0;
    uint32_t sent = 0;            // rows sent down the pipeline
    uint32_t generated = 0;       // tokens received
    std::optional<TokenId> next;  // sampled, not yet sent
    uint32_t steps_in_flight = 0;
    bool ended = false;  // no more rows; waits for its steps to come back
  };
  struct InFlight {
    uint64_t step = 0;
    std::vector<RequestId> members;
    std::set<RequestId> sampled;
  };

  const SchedulerConfig config_;
  uint64_t next_step_ = 1;
  uint64_t pages_reserved_ = 0;
  std::deque<std::pair<RequestId, GenerationRequest>> waiting_;
  std::map<RequestId, Sequence> running_;
  std::deque<InFlight> in_flight_;
  std::vector<RequestId> to_release_;
};

}  // namespace tern

#endif  // TERN_COORDINATOR_SCHEDULER_H_
