// SPDX-License-Identifier: MIT
// What a step is made of (scheduler.h).
#include <algorithm>
#include <span>

#include "coordinator/scheduler.h"

namespace tern {
namespace {

// So many steps in a row have to find a queue before them for one less to be in flight.
constexpr uint32_t kQueuedLong = 16;

}  // namespace

std::optional<StepFrame> Scheduler::NextStep() {
  StepFrame step;
  InFlight flight;
  AdmitAll();
  AddDecodeRows(step, flight);
  AddPromptRows(step, flight);
  // Whoever gave up its pages has no rows in this step, whose rows may be the next in those pages.
  step.release = std::exchange(released_, {});
  if (step.segments.empty() && step.release.empty()) return std::nullopt;
  step.epoch = config_.epoch;
  step.step = flight.step = next_step_++;
  flight.sent = now_;
  flight.generating = generating_;
  flight.queued = in_flight_.size() >= config_.stages;
  decode_steps_ += flight.decodes();
  prompt_rows_ += flight.prompt_rows;
  prompt_positions_ += flight.prompt_positions;
  flight.mean_prompt_rows = prompt_rows_ / static_cast<double>(in_flight_.size() + 1);
  flight.mean_position =
      prompt_rows_ == 0 ? 0 : static_cast<double>(prompt_positions_) / prompt_rows_;
  in_flight_.push_back(std::move(flight));
  AdaptDown();
  return step;
}

void Scheduler::AddDecodeRows(StepFrame& step, InFlight& flight) {
  if (decode_steps_ >= config_.stages) return;
  const size_t share = (generating_ + config_.stages - 1) / config_.stages;
  const uint32_t for_prompts =
      prompts_.empty() ? 0 : std::min(config_.mixed_prefill_rows, config_.max_rows / 2);
  const size_t rows = std::min<size_t>(share, config_.max_rows - for_prompts);
  // By turn, as the search for a page may take others out of ready_.
  uint64_t turn = 0;
  while (step.segments.size() < rows) {
    const auto next = ready_.upper_bound(turn);
    if (next == ready_.end()) break;
    turn = next->first;
    Entry& entry = *next->second;
    if (Grow(entry)) AddSegment(entry, 1, step, flight);
  }
  flight.decode_rows = step.rows();
}

void Scheduler::AddPromptRows(StepFrame& step, InFlight& flight) {
  const uint64_t last_turn = last_turn_;
  const size_t generating = generating_;  // when this step was begun
  for (auto next = prompts_.begin(); next != prompts_.end();) {
    Entry& entry = *next->second;
    ++next;
    const Sequence& sequence = entry.second;
    if (sequence.turn > last_turn) continue;  // it has its rows of this step
    const uint32_t most = MostPromptRows(flight, generating, sequence.sent);
    if (most <= flight.prompt_rows) break;
    const auto left = static_cast<uint32_t>(sequence.tokens.size()) - sequence.sent;
    const uint32_t rows = std::min({left, config_.prefill_chunk, most - flight.prompt_rows});
    flight.prompt_rows += rows;
    flight.prompt_positions += rows * (uint64_t{sequence.sent} + rows / 2);
    AddSegment(entry, rows, step, flight);
  }
}

// Most rows of prompts that the step may take if those of a prompt at `position` are among them.
uint32_t Scheduler::MostPromptRows(const InFlight& flight, size_t generating,
                                   uint32_t position) const {
  const uint32_t room = config_.max_rows - flight.decode_rows;
  if (generating == 0) return room;
  if (!flight.decodes() && in_flight_.size() >= config_.stages) return 0;
  return std::min(room, prompt_budget_.Rows(generating, position));
}

void Scheduler::AddSegment(Entry& entry, uint32_t rows, StepFrame& step, InFlight& flight) {
  auto& [key, sequence] = entry;
  const GenerationRequest& request = *sequence.request;
  const bool in_prompt = sequence.sent < sequence.start;
  const auto first = sequence.tokens.begin() + sequence.sent;
  step.tokens.insert(step.tokens.end(), first, first + rows);
  Segment& segment = step.segments.emplace_back();
  segment.sequence = sequence.id;
  segment.position = sequence.sent;
  segment.rows = rows;
  sequence.sent += rows;
  const auto pages = static_cast<uint32_t>(KvPagesFor(sequence.sent));
  segment.pages.assign(sequence.pages.begin() + sequence.named, sequence.pages.begin() + pages);
  sequence.named = pages;
  segment.sampling = request.sampling;
  segment.sampling.seed += key.sample;
  segment.sample = sequence.sent == sequence.tokens.size();
  segment.want_logits = segment.sample && request.want_logits;
  IndexFullPages(sequence);
  if (segment.sample) flight.sampled.push_back({key, sequence.id, sequence.sent});
  Enter(entry, segment.sample ? State::kSampling : State::kPrompt);
  if (!in_prompt || !segment.sample) return;
  sequence.generates = sequence.tokens.size() + 1 < sequence.prompt + size_t{request.max_tokens};
  generating_ += sequence.generates;
  if (key.sample == 0) AdmitSamples(key.request);
}

void Scheduler::IndexFullPages(Sequence& sequence) {
  if (!config_.prefix_cache) return;
  const std::span<const TokenId> tokens = sequence.tokens;
  for (; (sequence.indexed + 1) * kKvPageTokens <= sequence.sent; ++sequence.indexed) {
    sequence.chain = pool_.Index(sequence.pages[sequence.indexed], sequence.chain,
                                 tokens.subspan(sequence.indexed * kKvPageTokens, kKvPageTokens));
  }
}

void Scheduler::AdaptDown() {
  const bool queued = taken_ > 0 && next_step_ - 1 - taken_ > 2;  // besides the one just built
  queued_long_ = queued ? queued_long_ + 1 : 0;
  if (queued_long_ < kQueuedLong || max_in_flight_ <= config_.stages + 1) return;
  --max_in_flight_;
  queued_long_ = 0;
}

}  // namespace tern
