// SPDX-License-Identifier: MIT
// Decides which rows of which sequences run in which step. A pure state machine: events in, actions
// out; no clock, no lock, no socket. Tests drive it by text files (tests/coordinator/testdata).
//
// Policy: first come, first served. A request is admitted when KV pages for its prompt and every
// token it may generate are free on all stages (they are the same number on each), so a stage never
// runs out. Steps pass every stage in order, so pages are free again as soon as a step that
// releases them is on its way; such a step may have no rows.
//
// Up to `max_in_flight` steps travel the pipeline at once. A stage reads all its weights for a step
// of one row as for a step of many, so the sequences that generate are spread over just as many
// steps as there are stages, an even share each; the one step more that may be in flight is for
// prompts. A step takes its share of the decode rows that are ready, longest ready first, then
// fills up with chunks of prompts, oldest request first, up to `max_rows` rows.
#ifndef TERN_COORDINATOR_SCHEDULER_H_
#define TERN_COORDINATOR_SCHEDULER_H_

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "cluster/frame.h"
#include "coordinator/page_pool.h"
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
  // REQUIRES that no number of `config` but the epoch is 0.
  explicit Scheduler(const SchedulerConfig& config);

  // Queues a request. INVALID_ARGUMENT if the prompt leaves no room for a token in the context
  // (found, allowed); RESOURCE_EXHAUSTED if it needs more pages than there are, or the queue is
  // full. Steps may follow from the next Poll. REQUIRES that ids ascend, a prompt and max_tokens of
  // at least 1.
  absl::Status Submit(RequestId id, GenerationRequest request);

  // Ends a request; its pages are released with the next step that passes the stages. Nothing
  // happens if it is unknown (it may have just finished). Gives kCancelled, or `reason`.
  SchedulerActions Cancel(RequestId id, FinishReason reason = FinishReason::kCancelled);

  // The last stage's answer to a step. INTERNAL, with nothing changed, if it answers a step that is
  // not the oldest in flight or other sequences than the step sampled.
  absl::StatusOr<SchedulerActions> OnResult(ResultFrame result);

  // The steps that can go out now.
  SchedulerActions Poll();

  size_t running() const { return running_.size(); }
  size_t waiting() const { return waiting_.size(); }
  size_t in_flight() const { return in_flight_.size(); }
  // Not promised to a sequence, and not held by one that ended.
  uint64_t free_pages() const { return pool_.available(); }

 private:
  struct Sequence {
    GenerationRequest request;
    uint32_t most_tokens = 0;     // that the stages will hold
    std::vector<uint32_t> pages;  // for them, once admitted
    uint32_t sent = 0;            // rows sent down the pipeline
    uint32_t generated = 0;       // tokens received
    TokenId next = 0;             // sampled, not yet sent; meaningful while in ready_

    uint64_t most_pages() const { return KvPagesFor(most_tokens); }
    bool in_prompt() const { return sent < request.prompt.size(); }
  };
  // A token that a step will bring back.
  struct Sampled {
    RequestId request = 0;
    uint32_t position = 0;  // of the token in its sequence
  };
  struct InFlight {
    uint64_t step = 0;
    bool decodes = false;          // has decode rows
    std::vector<Sampled> sampled;  // in the order of the segments
  };
  struct Release {
    RequestId request = 0;
    std::vector<uint32_t> pages;
  };
  using Running = std::map<RequestId, Sequence>;

  std::optional<StepFrame> NextStep();
  void ReleaseEnded(StepFrame& step);
  void Admit();
  void AddDecodeRows(StepFrame& step, InFlight& flight);
  void AddPromptRows(StepFrame& step, InFlight& flight);
  void AddSegment(Running::value_type& entry, uint32_t rows, StepFrame& step, InFlight& flight);
  size_t DecodeShare() const;
  absl::Status Check(const ResultFrame& result) const;
  void OnToken(SequenceResult result, SchedulerActions& actions);
  void End(Running::iterator entry);

  const SchedulerConfig config_;
  const uint32_t decode_steps_;  // most steps in flight with decode rows
  uint64_t next_step_ = 1;
  PagePool pool_;
  RequestId last_id_ = 0;
  std::deque<std::pair<RequestId, Sequence>> waiting_;
  Running running_;              // admitted and not ended, oldest first
  std::deque<RequestId> ready_;  // of running_: those with a token to send, longest ready first
  std::deque<InFlight> in_flight_;
  std::vector<Release> ended_;  // whose pages no step has released yet
};

}  // namespace tern

#endif  // TERN_COORDINATOR_SCHEDULER_H_
