// SPDX-License-Identifier: MIT
// The coordinator's scheduler as the simulator needs it: counts of tokens instead of tokens. Its
// policy is that of coordinator/scheduler.h, which stands to the right of this folder.
#ifndef TERN_PARTITION_SIMULATED_SCHEDULER_H_
#define TERN_PARTITION_SIMULATED_SCHEDULER_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "partition/cost_model.h"

namespace tern {

struct SimulatedRequest {
  uint32_t prompt = 1;  // tokens
  uint32_t output = 1;
  double arrival = 0;     // seconds
  double last_token = 0;  // when it came; the arrival before the first

  uint32_t sent = 0;  // rows
  uint32_t generated = 0;
  bool in_prompt() const { return sent < prompt; }
};

struct SimulatedStep {
  StepShape shape;
  bool decodes = false;           // has decode rows
  std::vector<uint32_t> sampled;  // requests, by their numbers
};

class SimulatedScheduler {
 public:
  // `requests` holds all requests there will ever be, by their numbers. Both outlive the object.
  SimulatedScheduler(const CostModel& costs, uint32_t steps_in_flight, uint32_t prefill_chunk,
                     uint32_t max_rows, std::vector<SimulatedRequest>& requests)
      : costs_(costs),
        requests_(requests),
        most_in_flight_(steps_in_flight),
        most_decoding_(steps_in_flight > 1 ? steps_in_flight - 1 : 1),
        prefill_chunk_(prefill_chunk),
        max_rows_(max_rows),
        free_pages_(costs.kv_pages()) {}

  void Submit(uint32_t request);
  // The next step that can go out now, if any.
  std::optional<SimulatedStep> Next();
  // A step has passed all stages. Fills `finished` with the requests that ended with it.
  void OnResult(const SimulatedStep& step, std::vector<uint32_t>& finished);

  size_t unfinished() const { return unfinished_; }

 private:
  void Admit();
  void AddDecodeRows(SimulatedStep& step);
  void AddPromptRows(SimulatedStep& step);
  static uint64_t Pages(const SimulatedRequest& request) {
    return KvPagesFor(uint64_t{request.prompt} + request.output);
  }

  const CostModel& costs_;
  std::vector<SimulatedRequest>& requests_;
  const uint32_t most_in_flight_;
  const uint32_t most_decoding_;  // steps in flight with decode rows
  const uint32_t prefill_chunk_;
  const uint32_t max_rows_;

  uint64_t free_pages_;
  size_t unfinished_ = 0;
  uint32_t in_flight_ = 0;
  uint32_t decoding_in_flight_ = 0;
  size_t decoding_ = 0;           // admitted requests whose prompts are sent
  std::deque<uint32_t> waiting_;  // to be admitted
  std::deque<uint32_t> prompts_;  // admitted, with prompt rows to send, oldest first
  std::deque<uint32_t> ready_;    // with a token to send, longest ready first
};

}  // namespace tern

#endif  // TERN_PARTITION_SIMULATED_SCHEDULER_H_
