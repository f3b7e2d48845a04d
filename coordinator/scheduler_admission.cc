// SPDX-License-Identifier: MIT
// Who runs: admission, pages, preemption, priorities (scheduler.h).
#include <algorithm>
#include <iterator>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "coordinator/scheduler.h"

namespace tern {
namespace {

constexpr absl::Duration kLeastRetry = absl::Milliseconds(100);
constexpr absl::Duration kMostRetry = absl::Minutes(1);
constexpr absl::Duration kRetryUnknown = absl::Seconds(1);

// How often priorities are looked at.
constexpr absl::Duration kRaisePeriod = absl::Seconds(1);

}  // namespace

absl::Status Scheduler::CheckRequest(const GenerationRequest& request) const {
  const uint64_t prompt = request.prompt.size();
  if (prompt >= config_.context) {
    return absl::InvalidArgumentError(absl::StrCat("prompt: found ", prompt,
                                                   " tokens, want at most ", config_.context - 1,
                                                   ", one less than the context"));
  }
  const uint64_t pages =
      KvPagesFor(std::min<uint64_t>(prompt + request.max_tokens, config_.context) - 1);
  if (pages > config_.kv_pages) {
    return absl::ResourceExhaustedError(absl::StrCat("KV cache: the request needs ", pages,
                                                     " pages of ", kKvPageTokens, " tokens, found ",
                                                     config_.kv_pages));
  }
  return waiting() < config_.max_queue ? absl::OkStatus() : QueueFull();
}

// A place is free again when a running request ends: by the pace of the last ones.
absl::Status Scheduler::QueueFull() const {
  const absl::Duration guess =
      between_ends_ == absl::ZeroDuration() ? kRetryUnknown : between_ends_;
  const int64_t retry_ms = absl::ToInt64Milliseconds(std::clamp(guess, kLeastRetry, kMostRetry));
  absl::Status status = absl::ResourceExhaustedError(
      absl::StrCat("queue: found ", waiting(), " requests waiting, the most there may be; try ",
                   "again in ", retry_ms, " ms"));
  status.SetPayload(kRetryAfterPayload, absl::Cord(absl::StrCat(retry_ms)));
  return status;
}

void Scheduler::AdmitAll() {
  while (!waiting_.empty() && Admit(*waiting_.begin()->second)) {
  }
}

bool Scheduler::Admit(Entry& entry) {
  Sequence& sequence = entry.second;
  const size_t tokens = sequence.tokens.size();
  PagePool::Match shared;
  if (config_.prefix_cache) shared = pool_.Acquire(sequence.tokens, (tokens - 1) / kKvPageTokens);
  const uint64_t missing = KvPagesFor(tokens) - shared.pages.size();
  const uint64_t own_growth = KvPagesFor(tokens) < sequence.most_pages ? 1 : 0;
  while (pool_.available() < missing + (running_.empty() ? 0 : growing_ + own_growth)) {
    Entry* victim = Victim();
    if (victim == nullptr || victim->second.priority >= sequence.priority) {
      pool_.Return(shared.pages);
      return false;
    }
    Preempt(*victim);
  }
  sequence.id = ++last_sequence_;
  sequence.start = static_cast<uint32_t>(tokens);
  sequence.indexed = static_cast<uint32_t>(shared.pages.size());
  sequence.sent = sequence.indexed * kKvPageTokens;
  sequence.chain = shared.chain;
  sequence.pages = std::move(shared.pages);
  while (sequence.pages.size() < KvPagesFor(tokens)) sequence.pages.push_back(*pool_.Take());
  growing_ += sequence.may_grow();
  counters_.admitted_tokens += tokens;
  counters_.shared_tokens += sequence.sent;
  Enter(entry, State::kPrompt);
  running_.emplace(PlaceOf(entry), &entry);
  return true;
}

// The prompt of the first has gone down: the other samples may share its pages.
void Scheduler::AdmitSamples(RequestId id) {
  for (auto entry = sequences_.lower_bound({id, 1});
       entry != sequences_.end() && entry->first.request == id; ++entry) {
    if (entry->second.state == State::kHeld) Enter(*entry, State::kWaiting);
  }
}

// A page for the next row, if the last one is full. False if it has to wait for one: then it may
// have given up those it had.
bool Scheduler::Grow(Entry& entry) {
  Sequence& sequence = entry.second;
  if (KvPagesFor(sequence.sent + 1) <= sequence.pages.size()) return true;
  while (true) {
    if (const std::optional<uint32_t> page = pool_.Take(); page.has_value()) {
      sequence.pages.push_back(*page);
      if (!sequence.may_grow()) --growing_;
      return true;
    }
    Entry* victim = Victim();  // the entry itself at worst
    if (victim == &entry) {
      // Those that rank lower are about to get a token, and can be taken from then.
      if (running_.rbegin()->second == &entry) Preempt(entry);
      return false;
    }
    Preempt(*victim);
  }
}

// Of those that run and await no token the one of the lowest priority, the youngest of those.
Scheduler::Entry* Scheduler::Victim() const {
  for (auto place = running_.rbegin(); place != running_.rend(); ++place) {
    if (place->second->second.state != State::kSampling) return place->second;
  }
  return nullptr;
}

void Scheduler::Preempt(Entry& entry) {
  ++counters_.preemptions;
  Unseat(entry);
  Enter(entry, State::kWaiting);
}

void Scheduler::Unseat(Entry& entry) {
  Sequence& sequence = entry.second;
  running_.erase(PlaceOf(entry));
  generating_ -= sequence.generates;
  growing_ -= sequence.may_grow();
  if (sequence.named > 0) released_.push_back(sequence.id);
  pool_.Return(sequence.pages);
  sequence.pages.clear();
  sequence.id = 0;
  sequence.generates = false;
  sequence.start = sequence.sent = sequence.named = sequence.indexed = 0;
  sequence.chain = PagePool::kNoChain;
}

// Those that got nothing for long, waiting or with a prompt that others hold up.
void Scheduler::RaisePriorities() {
  if (now_ < raise_due_) return;
  raise_due_ = now_ + kRaisePeriod;
  std::vector<Entry*> impatient;
  const auto look_at = [&](Entry* entry) {
    const Sequence& sequence = entry->second;
    if (sequence.priority == Priority::kHigh || now_ - sequence.since < config_.patience) return;
    impatient.push_back(entry);
  };
  for (const auto& [place, entry] : waiting_) look_at(entry);
  for (const auto& [turn, entry] : prompts_) look_at(entry);
  for (Entry* entry : impatient) {
    Sequence& sequence = entry->second;
    const bool runs = running_.erase(PlaceOf(*entry)) > 0;
    const State state = sequence.state;
    Leave(*entry);
    sequence.state = State::kHeld;
    sequence.priority = sequence.priority == Priority::kLow ? Priority::kNormal : Priority::kHigh;
    Enter(*entry, state);
    if (runs) running_.emplace(PlaceOf(*entry), entry);
  }
}

}  // namespace tern
