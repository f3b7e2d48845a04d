// SPDX-License-Identifier: MIT
// How long tokens and prompts take by the scheduler's choice of rows, in simulated time.
#include <algorithm>
#include <deque>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "coordinator/scheduler.h"
#include "gtest/gtest.h"

namespace tern {
namespace {

// What a step costs: memory is the limit of few rows and arithmetic that of many; more rows than
// one may take another kernel, which costs something by itself; and every row attends to those
// before it in its sequence.
struct TimedMachine {
  absl::Duration row;
  absl::Duration several = absl::ZeroDuration();
  absl::Duration thousand_keys = absl::ZeroDuration();  // that a row attends to

  absl::Duration Step(const StepFrame& step) const {
    const size_t rows = step.rows();
    double keys = 0;
    for (const Segment& segment : step.segments) {
      keys += segment.rows * (segment.position + 0.5 * segment.rows);
    }
    return std::max(absl::Milliseconds(27), rows * row) +
           (rows > 1 ? several : absl::ZeroDuration()) + keys / 1000 * thousand_keys;
  }
};

std::string Name(const TimedMachine& machine) {
  return absl::StrCat(absl::FormatDuration(machine.row), " a row, ",
                      absl::FormatDuration(machine.several), " for several, ",
                      absl::FormatDuration(machine.thousand_keys), " a thousand keys");
}

// A pipeline in simulated time, each stage of which takes an equal share, and by chance a tenth
// more or less.
class TimedPipeline {
 public:
  TimedPipeline(uint32_t stages, const TimedMachine& machine)
      : machine_(machine), free_(stages, absl::UnixEpoch()) {}

  void Push(const StepFrame& step, absl::Time now) {
    absl::Time done = now;
    for (absl::Time& stage : free_) {
      const absl::Duration share = machine_.Step(step) / static_cast<double>(free_.size());
      done = std::max(done, stage) + noise_(random_) * share;
      stage = done;
    }
    ResultFrame result;
    result.step = step.step;
    for (const Segment& segment : step.segments) {
      if (!segment.sample) continue;
      SequenceResult& entry = result.results.emplace_back();
      entry.sequence = segment.sequence;
      entry.position = segment.end();
    }
    queue_.emplace_back(done, std::move(result));
  }
  std::pair<absl::Time, ResultFrame> Pop() {
    auto result = std::move(queue_.front());
    queue_.pop_front();
    return result;
  }

 private:
  const TimedMachine machine_;
  std::mt19937_64 random_{1};
  std::lognormal_distribution<double> noise_{0, 0.1};
  std::vector<absl::Time> free_;  // [stages], from when on
  std::deque<std::pair<absl::Time, ResultFrame>> queue_;
};

// A scheduler over such a pipeline, and when its requests got their tokens.
class TimedCluster {
 public:
  TimedCluster(uint32_t stages, const TimedMachine& machine)
      : scheduler_(Config(stages)), pipeline_(stages, machine) {}

  absl::Time now() const { return now_; }

  // A request whose prompt is like no other's.
  RequestId Submit(size_t prompt, uint32_t max_tokens) {
    GenerationRequest request;
    request.prompt.resize(prompt, static_cast<TokenId>(++last_request_));
    request.max_tokens = max_tokens;
    EXPECT_TRUE(scheduler_.Submit(last_request_, request, now_).ok());
    return last_request_;
  }

  // From now on, so many requests with a short prompt and a hundred tokens, or a few more: shortly
  // before one ends, another comes.
  void KeepGenerating(size_t requests) {
    for (size_t i = 0; i < requests; ++i) short_[Submit(1, 100)] = {};
  }

  void RunUntilEnd(const std::vector<RequestId>& requests) {
    const auto ended = [&](RequestId id) { return ended_.contains(id); };
    while (!std::all_of(requests.begin(), requests.end(), ended)) Step();
  }
  // Until there have been so many pairs of tokens, one after the other, of short requests.
  void RunUntilGaps(size_t gaps) {
    while (gaps_.size() < gaps) Step();
  }

  // Between two tokens of a short request, since the last call.
  std::vector<absl::Duration> TakeGaps() { return std::exchange(gaps_, {}); }

 private:
  static SchedulerConfig Config(uint32_t stages) {
    SchedulerConfig config;
    config.stages = stages;
    config.kv_pages = 20'000;
    config.context = 8192;
    return config;
  }

  void Step() {
    for (const StepFrame& step : scheduler_.Poll(now_).steps) pipeline_.Push(step, now_);
    ResultFrame result;
    std::tie(now_, result) = pipeline_.Pop();
    const SchedulerActions actions = scheduler_.OnResult(std::move(result), now_).value();
    for (const SchedulerActions::Token& token : actions.tokens) OnToken(token.request);
    for (const SchedulerActions::Finished& end : actions.finished) {
      ended_.insert(end.request);
      short_.erase(end.request);
    }
  }

  void OnToken(RequestId request) {
    const auto found = short_.find(request);
    if (found == short_.end()) return;
    std::vector<absl::Time>& tokens = found->second;
    if (!tokens.empty()) gaps_.push_back(now_ - tokens.back());
    tokens.push_back(now_);
    if (tokens.size() == 90) KeepGenerating(1);
  }

  Scheduler scheduler_;
  TimedPipeline pipeline_;
  absl::Time now_ = absl::UnixEpoch();
  RequestId last_request_ = 0;
  std::map<RequestId, std::vector<absl::Time>> short_;  // when they got their tokens
  std::set<RequestId> ended_;
  std::vector<absl::Duration> gaps_;
};

constexpr TimedMachine kMachines[] = {
    {.row = absl::Milliseconds(9)},
    {.row = absl::Microseconds(500)},
    {.row = absl::Milliseconds(6), .several = absl::Milliseconds(8)},
    {.row = absl::Milliseconds(6), .thousand_keys = absl::Milliseconds(3)},
    {.row = absl::Milliseconds(2), .thousand_keys = absl::Milliseconds(4)}};

struct Pace {
  absl::Duration between_tokens;  // of short requests, the 99th percentile
  absl::Duration prompt;          // until the long prompt's first token
};

// So many short requests generate; after a while a long prompt comes, if its length is not 0.
Pace PaceOf(uint32_t stages, const TimedMachine& machine, size_t short_requests,
            size_t long_prompt) {
  TimedCluster cluster(stages, machine);
  cluster.KeepGenerating(short_requests);
  cluster.RunUntilGaps(20 * short_requests);
  cluster.TakeGaps();
  const absl::Time start = cluster.now();
  if (long_prompt > 0) {
    cluster.RunUntilEnd({cluster.Submit(long_prompt, 1)});
  } else {
    cluster.RunUntilGaps(200 * short_requests);
  }
  std::vector<absl::Duration> gaps = cluster.TakeGaps();
  std::sort(gaps.begin(), gaps.end());
  return {.between_tokens = gaps.empty() ? absl::ZeroDuration() : gaps[gaps.size() * 99 / 100],
          .prompt = cluster.now() - start};
}

TEST(SchedulerPaceTest, ShortRequestsKeepTheirPaceBesideALongPromptAndItComesAlong) {
  for (const uint32_t stages : {1, 2, 3}) {
    for (const TimedMachine& machine : kMachines) {
      const Pace alone = PaceOf(stages, machine, 0, 4000);
      for (const size_t requests : {1, 4, 16, 64}) {
        SCOPED_TRACE(absl::StrCat(stages, " stages, ", Name(machine), ", ", requests, " requests"));
        const Pace without = PaceOf(stages, machine, requests, 0);
        const Pace with = PaceOf(stages, machine, requests, 4000);
        EXPECT_LE(with.between_tokens, 2 * without.between_tokens);
        EXPECT_LE(with.prompt, 6 * alone.prompt);
      }
    }
  }
}

// Until fifteen short prompts beside a request that generates have their first tokens, after a long
// prompt beside it if its length is not 0.
absl::Duration TimeOfShortPrompts(uint32_t stages, const TimedMachine& machine,
                                  size_t long_prompt) {
  TimedCluster cluster(stages, machine);
  cluster.KeepGenerating(1);
  cluster.RunUntilGaps(20);
  if (long_prompt > 0) cluster.RunUntilEnd({cluster.Submit(long_prompt, 1)});
  cluster.TakeGaps();
  cluster.RunUntilGaps(20);
  const absl::Time start = cluster.now();
  std::vector<RequestId> requests;
  for (int i = 0; i < 15; ++i) requests.push_back(cluster.Submit(64, 1));
  cluster.RunUntilEnd(requests);
  return cluster.now() - start;
}

TEST(SchedulerPaceTest, ShortPromptsTakeNoLongerAfterALongOne) {
  for (const uint32_t stages : {1, 2, 3}) {
    for (const TimedMachine& machine : kMachines) {
      SCOPED_TRACE(absl::StrCat(stages, " stages, ", Name(machine)));
      const absl::Duration before = TimeOfShortPrompts(stages, machine, 0);
      const absl::Duration after = TimeOfShortPrompts(stages, machine, 4000);
      EXPECT_LE(after, 1.25 * before);
    }
  }
}

}  // namespace
}  // namespace tern
