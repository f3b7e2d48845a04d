// SPDX-License-Identifier: MIT
#include "partition/simulated_scheduler.h"

#include <algorithm>

namespace tern {

void SimulatedScheduler::Submit(uint32_t request) {
  waiting_.push_back(request);
  ++unfinished_;
}

std::optional<SimulatedStep> SimulatedScheduler::Next() {
  if (in_flight_ == most_in_flight_) return std::nullopt;
  SimulatedStep step;
  Admit();
  AddDecodeRows(step);
  AddPromptRows(step);
  if (step.shape.rows == 0) return std::nullopt;
  ++in_flight_;
  if (step.decodes) ++decoding_in_flight_;
  return step;
}

void SimulatedScheduler::Admit() {
  while (!waiting_.empty()) {
    const uint64_t pages = Pages(requests_[waiting_.front()]);
    if (pages > free_pages_) return;
    free_pages_ -= pages;
    prompts_.push_back(waiting_.front());
    waiting_.pop_front();
  }
}

void SimulatedScheduler::AddDecodeRows(SimulatedStep& step) {
  if (decoding_in_flight_ == most_decoding_) return;
  const size_t share = (decoding_ + most_decoding_ - 1) / most_decoding_;
  const size_t rows = std::min({ready_.size(), share, size_t{max_rows_}});
  for (size_t i = 0; i < rows; ++i) {
    SimulatedRequest& request = requests_[ready_.front()];
    costs_.AddRows(request.sent++, 1, 1, step.shape);
    step.sampled.push_back(ready_.front());
    ready_.pop_front();
  }
  step.decodes = rows > 0;
}

void SimulatedScheduler::AddPromptRows(SimulatedStep& step) {
  std::deque<uint32_t> unsent;
  while (!prompts_.empty() && step.shape.rows < max_rows_) {
    const uint32_t number = prompts_.front();
    prompts_.pop_front();
    SimulatedRequest& request = requests_[number];
    const auto room = static_cast<uint32_t>(max_rows_ - step.shape.rows);
    const uint32_t rows = std::min({request.prompt - request.sent, prefill_chunk_, room});
    const bool ends = request.sent + rows == request.prompt;
    costs_.AddRows(request.sent, rows, ends ? 1 : 0, step.shape);
    request.sent += rows;
    if (ends) {
      step.sampled.push_back(number);
      ++decoding_;
    } else {
      unsent.push_back(number);
    }
  }
  prompts_.insert(prompts_.begin(), unsent.begin(), unsent.end());
}

void SimulatedScheduler::OnResult(const SimulatedStep& step, std::vector<uint32_t>& finished) {
  finished.clear();
  --in_flight_;
  if (step.decodes) --decoding_in_flight_;
  for (const uint32_t number : step.sampled) {
    SimulatedRequest& request = requests_[number];
    if (++request.generated < request.output) {
      ready_.push_back(number);
      continue;
    }
    finished.push_back(number);
    free_pages_ += Pages(request);
    --decoding_;
    --unfinished_;
  }
}

}  // namespace tern
