// SPDX-License-Identifier: MIT
// Decides which rows of which sequences run in which step. A pure state machine: events in, actions
// out; no clock, no lock, no socket. Tests drive it by text files (tests/coordinator/testdata).
//
// Sequences. A request is one sequence, or `samples` of them with the same prompt. The first is
// admitted by itself; the others follow when its prompt has gone down, whose pages they share.
//
// Admission. By priority, then first come, first served: nobody overtakes within a priority. Who
// waits longer than `patience` rises by one priority, so nobody waits for ever. A sequence is
// admitted when pages for all its tokens so far are there, and one more for every running sequence
// that may still grow: else they would soon drive each other out. It begins behind the longest
// chain of cached pages that holds its first tokens (page_pool.h), but for its last token.
//
// Growth. A running sequence takes a page whenever it has filled its last. If none is left, the
// sequence of the lowest priority, the youngest of those, gives up its pages and waits again in its
// old place; what it had is computed anew later, to the same bits, as the sampler depends on
// nothing but seed and position. Sequences whose token is on its way are spared. A request of a
// higher priority takes pages from running ones of lower priority in the same way.
//
// Pages given up can be named for another sequence at once, even while rows that use them are in
// flight: steps pass every stage in order. For the same reason a full page can be shared as soon as
// a step with the last of its rows is built. Stages only have to forget the table: that is the
// `release` of the next step.
//
// Steps. A stage reads all its weights for a step of one row as for a step of many, so sequences
// that generate are spread over as many steps as there are stages, an even share each, longest
// ready first. Prompts fill up the steps, in chunks, with some room kept for them: by priority,
// then in turn, so that a long one does not hold up a short one. While sequences generate, a step
// takes only so many rows of prompts that a token takes less than twice its time (prompt_budget.h),
// at most `mixed_prefill_rows`, and a step of prompts alone goes out only where the pipeline has a
// stage without work: those who read along must not feel the prompts of others.
//
// When nobody generates, one step more than there are stages is in flight, or more: if the first
// stage has taken all steps off its queue (OnTaken) and more could go, one more may, up to four a
// stage; if two or more keep waiting there, one less.
//
// Loss. A pipeline may go and another come (Suspend, Restart): what ran waits again in its old
// place and is computed anew. A request that loses four pipelines without a token in between ends
// with an error: it may itself be what kills them.
#ifndef TERN_COORDINATOR_SCHEDULER_H_
#define TERN_COORDINATOR_SCHEDULER_H_

#include <compare>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cluster/frame.h"
#include "coordinator/page_pool.h"
#include "coordinator/prompt_budget.h"
#include "coordinator/request.h"

namespace tern {

struct SchedulerConfig {
  uint64_t epoch = 0;
  uint32_t stages = 1;
  uint32_t prefill_chunk = 64;        // most prompt rows of one sequence in a step
  uint32_t max_rows = 256;            // of a step
  uint32_t mixed_prefill_rows = 128;  // most prompt rows of a step while sequences generate
  uint64_t kv_pages = 0;              // on every stage
  uint32_t context = 0;               // most tokens of a sequence
  uint32_t max_queue = 1024;          // sequences waiting
  bool prefix_cache = true;
  absl::Duration patience = absl::Seconds(10);
};

// What the engine has to do. Steps first, in order.
struct SchedulerActions {
  std::vector<StepFrame> steps;
  struct Token {
    RequestId request = 0;
    uint32_t sample = 0;
    SequenceResult result;
  };
  std::vector<Token> tokens;  // to deliver, in order; a stop token is not among them
  struct Finished {
    RequestId request = 0;
    uint32_t sample = 0;
    FinishReason reason = FinishReason::kStop;
    absl::Status status = {};  // of kError
  };
  std::vector<Finished> finished;  // each sample of a request once
};

// Times are those of one monotonic clock and never go back.
class Scheduler {
 public:
  // REQUIRES that no number of `config` but the epoch is 0.
  explicit Scheduler(const SchedulerConfig& config);

  // Queues a request. INVALID_ARGUMENT if the prompt leaves no room for a token in the context
  // (found, allowed); RESOURCE_EXHAUSTED if a sequence needs more pages than there are, or the
  // queue is full: then with a payload that says when to try again (kRetryAfterPayload). Steps may
  // follow from the next Poll. REQUIRES that ids ascend, and a valid request (request.h).
  absl::Status Submit(RequestId id, GenerationRequest request, absl::Time now);

  // Ends a request; its pages are free at once. Nothing happens if it is unknown (it may have just
  // finished).
  SchedulerActions Cancel(RequestId id);
  // Ends one sample of it with `reason`.
  SchedulerActions Finish(RequestId id, uint32_t sample, FinishReason reason);

  // The last stage's answer to a step. INTERNAL, with nothing changed, if it answers a step that is
  // not the oldest in flight or other sequences than the step sampled.
  absl::StatusOr<SchedulerActions> OnResult(ResultFrame result, absl::Time now);

  // The first stage took a step off its queue, and all before. Steps never sent are ignored.
  void OnTaken(uint64_t step);

  // Ends requests whose deadline has passed. Then, the steps that can go out now.
  SchedulerActions Poll(absl::Time now);
  // When the next deadline passes.
  absl::Time next_deadline() const;

  // The pipeline is gone: what ran waits, and nothing goes out until Restart.
  SchedulerActions Suspend();
  // Goes on over another pipeline. Requests that do not fit it end with RESOURCE_EXHAUSTED.
  SchedulerActions Restart(const SchedulerConfig& config);

  size_t running() const { return running_.size(); }
  size_t waiting() const { return sequences_.size() - running_.size(); }
  size_t in_flight() const { return in_flight_.size(); }
  uint32_t max_in_flight() const { return max_in_flight_; }
  const PagePool& pool() const { return pool_; }

  // Since the beginning.
  struct Counters {
    uint64_t admitted_tokens = 0;  // that sequences began with
    uint64_t shared_tokens = 0;    // of those, found in cached pages
    uint64_t preemptions = 0;
  };
  const Counters& counters() const { return counters_; }

 private:
  struct Key {
    RequestId request = 0;
    uint32_t sample = 0;
    auto operator<=>(const Key&) const = default;
  };
  enum class State : uint8_t {
    kHeld,      // until the prompt of sample 0 has gone down
    kWaiting,   // in waiting_
    kPrompt,    // in prompts_: has rows to send of what it began with
    kReady,     // in ready_: has a token to send
    kSampling,  // its next token is on its way
  };
  struct Sequence {
    std::shared_ptr<const GenerationRequest> request;  // its prompt is in `tokens`
    std::vector<TokenId> tokens;                       // the prompt, then what was generated
    uint32_t prompt = 0;                               // tokens
    uint64_t most_pages = 0;                           // that it will ever hold
    State state = State::kHeld;
    Priority priority = Priority::kNormal;  // raised while it waits
    absl::Time since;                       // when it got there, or into its state
    uint64_t turn = 0;                      // place in prompts_ or ready_
    uint32_t losses = 0;  // pipelines that went while it ran, since its last token

    // While it runs.
    SequenceId id = 0;            // on the stages; another each time it is admitted
    uint32_t start = 0;           // tokens that it was admitted with
    bool generates = false;       // these have gone down, and more than one is wanted
    uint32_t sent = 0;            // rows on the stages or on their way there
    std::vector<uint32_t> pages;  // its table
    uint32_t named = 0;           // pages that the stages have been told
    uint32_t indexed = 0;         // pages that are full and in the index
    PagePool::ChainId chain = PagePool::kNoChain;  // of the last of those

    bool may_grow() const { return pages.size() < most_pages; }
  };
  using Sequences = std::map<Key, Sequence>;
  using Entry = Sequences::value_type;
  using Place = std::pair<int, Key>;      // higher priority first, then older first
  using Turn = std::pair<int, uint64_t>;  // higher priority first, then who waited longest
  // A token that a step will bring back.
  struct Sampled {
    Key key;
    SequenceId id = 0;
    uint32_t position = 0;  // of the token in its sequence
  };
  struct InFlight {
    uint64_t step = 0;
    absl::Time sent;
    uint32_t decode_rows = 0;  // of sequences that generate
    uint32_t prompt_rows = 0;
    uint64_t prompt_positions = 0;  // of those, the sum
    double mean_prompt_rows = 0;    // of it and the steps ahead of it, each
    double mean_position = 0;       // of all those rows
    size_t generating = 0;          // sequences, when it was sent
    bool queued = false;            // behind as many steps as there are stages, or more
    std::vector<Sampled> sampled;   // in the order of the segments

    bool decodes() const { return decode_rows > 0; }
  };

  // --- scheduler.cc ---
  static Place PlaceOf(const Entry& entry);
  static Turn TurnOf(const Entry& entry);
  void Enter(Entry& entry, State state);
  void Leave(Entry& entry);
  void End(Sequences::iterator entry);
  SchedulerActions EndRequest(RequestId id, FinishReason reason);
  absl::Status Check(const ResultFrame& result) const;
  void OnToken(const Sampled& asked, SequenceResult result, SchedulerActions& actions);

  // --- scheduler_admission.cc ---
  absl::Status CheckRequest(const GenerationRequest& request) const;
  absl::Status QueueFull() const;
  void AdmitAll();
  bool Admit(Entry& entry);
  void AdmitSamples(RequestId id);
  bool Grow(Entry& entry);
  Entry* Victim() const;
  void Preempt(Entry& entry);
  void Unseat(Entry& entry);
  void RaisePriorities();

  // --- scheduler_steps.cc ---
  std::optional<StepFrame> NextStep();
  void AddDecodeRows(StepFrame& step, InFlight& flight);
  void AddPromptRows(StepFrame& step, InFlight& flight);
  uint32_t MostPromptRows(const InFlight& flight, size_t generating, uint32_t position) const;
  void AddSegment(Entry& entry, uint32_t rows, StepFrame& step, InFlight& flight);
  void IndexFullPages(Sequence& sequence);
  void AdaptDown();

  SchedulerConfig config_;
  PagePool pool_;
  bool suspended_ = false;
  absl::Time now_ = absl::InfinitePast();
  RequestId last_request_ = 0;
  SequenceId last_sequence_ = 0;
  uint64_t last_turn_ = 0;

  // Every sequence that has not ended; those below point into it.
  Sequences sequences_;
  std::map<Place, Entry*> waiting_;
  std::map<Place, Entry*> running_;   // admitted
  std::map<Turn, Entry*> prompts_;    // of running_
  std::map<uint64_t, Entry*> ready_;  // of running_, longest ready first
  size_t generating_ = 0;             // of running_: those whose prompt has gone down
  size_t growing_ = 0;                // of running_: those that may want another page
  std::vector<SequenceId> released_;  // that no step has released yet
  std::set<std::pair<absl::Time, RequestId>> deadlines_;
  absl::Time raise_due_ = absl::InfinitePast();
  absl::Time last_end_ = absl::InfinitePast();
  absl::Duration between_ends_ = absl::ZeroDuration();  // of requests, lately; 0: unknown

  std::deque<InFlight> in_flight_;
  PromptBudget prompt_budget_;
  uint32_t prompt_rows_ = 0;       // in flight
  uint64_t prompt_positions_ = 0;  // of those, the sum
  uint32_t decode_steps_ = 0;      // of those, with rows of sequences that generate
  uint64_t next_step_ = 1;
  uint64_t taken_ = 0;          // the last step that the first stage took; 0: it does not say
  uint32_t max_in_flight_ = 0;  // steps
  uint32_t queued_long_ = 0;    // steps in a row that found two or more queued before them
  Counters counters_;
};

}  // namespace tern

#endif  // TERN_COORDINATOR_SCHEDULER_H_
