// SPDX-License-Identifier: MIT
// The scheduler's behaviour case by case is in testdata/*.txt; here is what reads those, and a
// random test against a pipeline that checks what it is sent.
#include "coordinator/scheduler.h"

#include <algorithm>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "tests/support/data_driven.h"

namespace tern {
namespace {

std::string Describe(const Segment& segment, const TokenId* tokens) {
  std::string text = absl::StrCat("  seq ", segment.sequence, ": position ", segment.position);
  if (segment.rows == 1) absl::StrAppend(&text, ", token ", *tokens);
  if (segment.rows > 1) absl::StrAppend(&text, ", ", segment.rows, " rows");
  if (!segment.pages.empty()) {
    absl::StrAppend(&text, ", pages ", absl::StrJoin(segment.pages, " "));
  }
  if (segment.sample) absl::StrAppend(&text, ", sample");
  return text + "\n";
}

std::string Describe(const SchedulerActions& actions) {
  std::string text;
  for (const StepFrame& step : actions.steps) {
    absl::StrAppend(&text, "step ", step.step, "\n");
    for (const SequenceId sequence : step.release) {
      absl::StrAppend(&text, "  release ", sequence, "\n");
    }
    const TokenId* tokens = step.tokens.data();
    for (const Segment& segment : step.segments) {
      text += Describe(segment, tokens);
      tokens += segment.rows;
    }
  }
  for (const SchedulerActions::Token& token : actions.tokens) {
    absl::StrAppend(&text, "token ", token.result.sampled.chosen.token, " for ", token.request,
                    "\n");
  }
  for (const SchedulerActions::Finished& finished : actions.finished) {
    absl::StrAppend(&text, "finished ", finished.request, ": ", FinishReasonName(finished.reason),
                    "\n");
  }
  return text.empty() ? "nothing\n" : text;
}

std::string Describe(const absl::Status& status) {
  return status.ok() ? "ok\n" : absl::StrCat(status.ToString(), "\n");
}

// Runs the commands of testdata/*.txt (listed in testdata/steps.txt).
class Interpreter {
 public:
  std::string Run(const DataCommand& command) {
    if (command.name == "config") return Config(command);
    if (command.name == "submit") return Submit(command);
    if (command.name == "poll") return Poll();
    if (command.name == "result") return Result(command);
    if (command.name == "cancel") {
      return Describe(scheduler_->Cancel(std::stoull(command.arguments.at(0))));
    }
    if (command.name == "state") {
      return absl::StrCat("running ", scheduler_->running(), ", waiting ", scheduler_->waiting(),
                          ", in flight ", scheduler_->in_flight(), ", free pages ",
                          scheduler_->free_pages(), "\n");
    }
    return absl::StrCat("unknown command ", command.name, "\n");
  }

 private:
  std::string Config(const DataCommand& command) {
    SchedulerConfig config;
    config.epoch = 1;
    config.max_in_flight = static_cast<uint32_t>(command.Number("stages", 1)) + 1;
    config.prefill_chunk = static_cast<uint32_t>(command.Number("chunk", 4));
    config.max_rows = static_cast<uint32_t>(command.Number("max_rows", 8));
    config.kv_pages = command.Number("pages", 100);
    config.context = static_cast<uint32_t>(command.Number("context", 256));
    config.max_queue = static_cast<uint32_t>(command.Number("queue", 10));
    scheduler_ = std::make_unique<Scheduler>(config);
    asked_.clear();
    return "ok\n";
  }

  std::string Submit(const DataCommand& command) {
    const RequestId id = std::stoull(command.arguments.at(0));
    GenerationRequest request;
    for (uint64_t i = 0; i < command.Number("prompt", 1); ++i) {
      request.prompt.push_back(static_cast<TokenId>(100 * id + i));
    }
    request.max_tokens = static_cast<uint32_t>(command.Number("max", 100));
    if (command.named.contains("stop")) {
      request.stop_tokens = {static_cast<TokenId>(command.Number("stop", 0))};
    }
    return Describe(scheduler_->Submit(id, std::move(request)));
  }

  std::string Poll() {
    const SchedulerActions actions = scheduler_->Poll();
    for (const StepFrame& step : actions.steps) asked_[step.step] = step.segments;
    return Describe(actions);
  }

  // Answers a step: what `seq=token` says, token 7 for other sequences that the step sampled.
  std::string Result(const DataCommand& command) {
    ResultFrame frame;
    frame.epoch = command.Number("epoch", 1);
    frame.step = std::stoull(command.arguments.at(0));
    for (const Segment& segment : asked_[frame.step]) {
      if (!segment.sample) continue;
      SequenceResult result;
      result.sequence = segment.sequence;
      result.position = segment.position + segment.rows;
      result.sampled.chosen.token =
          static_cast<TokenId>(command.Number(absl::StrCat(segment.sequence), 7));
      frame.results.push_back(result);
    }
    if (command.named.contains("also")) {
      frame.results.emplace_back().sequence = command.Number("also", 0);
    }
    const absl::StatusOr<SchedulerActions> actions = scheduler_->OnResult(std::move(frame));
    return actions.ok() ? Describe(*actions) : Describe(actions.status());
  }

  std::unique_ptr<Scheduler> scheduler_;
  std::map<uint64_t, std::vector<Segment>> asked_;  // by step
};

TEST(SchedulerTest, BehavesAsTheTextsSay) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(
           std::filesystem::path(TERN_SOURCE_DIR) / "tests/coordinator/testdata")) {
    if (entry.path().extension() != ".txt") continue;
    SCOPED_TRACE(entry.path());
    Interpreter interpreter;
    RunDataDriven(entry.path(),
                  [&](const DataCommand& command) { return interpreter.Run(command); });
    ++files;
  }
  EXPECT_GE(files, 4);
}

// Stands for all stages, which do the same with the same frames in the same order: checks every
// frame against what a stage requires, and samples tokens that say where they belong.
class FakePipeline {
 public:
  explicit FakePipeline(const SchedulerConfig& config) : config_(config) {}

  static TokenId TokenAt(SequenceId sequence, uint32_t position) {
    return static_cast<TokenId>(sequence * 1000 + position);
  }

  void Push(const StepFrame& step) {
    EXPECT_EQ(step.epoch, config_.epoch);
    EXPECT_EQ(step.step, ++last_step_);
    for (const SequenceId sequence : step.release) {
      EXPECT_EQ(length_.erase(sequence), 1) << "released sequence " << sequence;
      for (const uint32_t page : pages_[sequence]) EXPECT_EQ(held_.erase(page), 1);
      pages_.erase(sequence);
    }
    ResultFrame& result = queue_.emplace_back();
    result.epoch = step.epoch;
    result.step = step.step;
    size_t rows = 0;
    std::set<SequenceId> members;
    for (const Segment& segment : step.segments) {
      EXPECT_TRUE(members.insert(segment.sequence).second) << "twice in a step";
      Run(segment, {step.tokens.data() + rows, segment.rows}, result);
      rows += segment.rows;
    }
    EXPECT_EQ(rows, step.rows());
    EXPECT_LE(rows, config_.max_rows);
    EXPECT_LE(queue_.size(), config_.max_in_flight);
  }

  bool empty() const { return queue_.empty(); }
  ResultFrame Pop() {
    ResultFrame result = std::move(queue_.front());
    queue_.pop_front();
    for (const SequenceResult& entry : result.results) sampling_.erase(entry.sequence);
    return result;
  }
  void ExpectAllFree() const {
    EXPECT_TRUE(length_.empty());
    EXPECT_TRUE(held_.empty());
  }

 private:
  void Run(const Segment& segment, std::span<const TokenId> tokens, ResultFrame& result) {
    const SequenceId id = segment.sequence;
    EXPECT_FALSE(sampling_.contains(id)) << "rows of sequence " << id << " before its token";
    for (const uint32_t page : segment.pages) {
      EXPECT_LT(page, config_.kv_pages);
      EXPECT_TRUE(held_.insert(page).second) << "page " << page << " is another's";
      pages_[id].push_back(page);
    }
    EXPECT_EQ(segment.position, length_[id]);
    for (size_t i = 0; i < tokens.size(); ++i) {
      EXPECT_EQ(tokens[i], TokenAt(id, static_cast<uint32_t>(length_[id] + i)));
    }
    length_[id] += segment.rows;
    EXPECT_LE(KvPagesFor(length_[id]), pages_[id].size());
    if (!segment.sample) return;
    sampling_.insert(id);
    SequenceResult& entry = result.results.emplace_back();
    entry.sequence = id;
    entry.position = length_[id];
    entry.sampled.chosen.token = TokenAt(id, length_[id]);
  }

  const SchedulerConfig config_;
  uint64_t last_step_ = 0;
  std::map<SequenceId, uint32_t> length_;  // cached tokens of live sequences
  std::map<SequenceId, std::vector<uint32_t>> pages_;
  std::set<uint32_t> held_;        // of all sequences
  std::set<SequenceId> sampling_;  // whose token is in flight
  std::deque<ResultFrame> queue_;
};

// What became of the requests of one run.
struct Ledger {
  struct Entry {
    uint32_t prompt = 0;
    uint32_t want_tokens = 0;  // unless cancelled
    bool stops = false;        // at a stop token
    bool cancelled = false;
    uint32_t tokens = 0;
    int finished = 0;
  };
  std::map<RequestId, Entry> entries;

  void Apply(const SchedulerActions& actions) {
    for (const SchedulerActions::Token& token : actions.tokens) {
      Entry& entry = entries.at(token.request);
      EXPECT_EQ(entry.finished, 0) << "token after the end of " << token.request;
      EXPECT_EQ(token.result.sampled.chosen.token,
                FakePipeline::TokenAt(token.request, entry.prompt + entry.tokens));
      ++entry.tokens;
    }
    for (const SchedulerActions::Finished& finished : actions.finished) {
      Entry& entry = entries.at(finished.request);
      ++entry.finished;
      if (finished.reason == FinishReason::kCancelled) {
        EXPECT_TRUE(entry.cancelled);
        continue;
      }
      EXPECT_EQ(finished.reason, entry.stops ? FinishReason::kStop : FinishReason::kLength);
      EXPECT_EQ(entry.tokens, entry.want_tokens);
    }
  }
};

GenerationRequest RandomRequest(RequestId id, const SchedulerConfig& config, std::mt19937& rng,
                                Ledger::Entry& entry) {
  GenerationRequest request;
  entry.prompt = 1 + rng() % std::min(config.context - 1, 60u);
  for (uint32_t i = 0; i < entry.prompt; ++i) {
    request.prompt.push_back(FakePipeline::TokenAt(id, i));
  }
  request.max_tokens = 1 + rng() % 30;
  entry.want_tokens = std::min(request.max_tokens, config.context - entry.prompt);
  if (rng() % 3 == 0) {
    const uint32_t stop_after = rng() % 40;
    request.stop_tokens = {FakePipeline::TokenAt(id, entry.prompt + stop_after)};
    entry.stops = stop_after < entry.want_tokens;
    if (entry.stops) entry.want_tokens = stop_after;
  }
  return request;
}

SchedulerConfig RandomConfig(std::mt19937& rng) {
  SchedulerConfig config;
  config.epoch = 1 + rng() % 5;
  config.max_in_flight = 1 + rng() % 6;
  config.prefill_chunk = 1 + rng() % 20;
  config.max_rows = 1 + rng() % 30;
  config.kv_pages = 3 + rng() % 10;
  config.context = 2 + rng() % 95;  // a sequence fits the smallest cache
  config.max_queue = 1 + rng() % 20;
  return config;
}

void RunRandom(unsigned seed) {
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937 rng(seed);
  const SchedulerConfig config = RandomConfig(rng);
  Scheduler scheduler(config);
  FakePipeline pipeline(config);
  Ledger ledger;
  RequestId last_id = 0;
  // Every result brings a token or rows of a prompt nearer to their end, or makes room.
  int events_left = 20000;
  for (int submits_left = 40; submits_left > 0 || !pipeline.empty();) {
    ASSERT_GT(--events_left, 0) << "something starves";
    const unsigned event = rng() % 10;
    if (event < 3 && submits_left > 0) {
      --submits_left;
      Ledger::Entry entry;
      GenerationRequest request = RandomRequest(++last_id, config, rng, entry);
      const absl::Status status = scheduler.Submit(last_id, std::move(request));
      if (status.ok()) ledger.entries[last_id] = entry;
      EXPECT_TRUE(status.ok() || absl::IsResourceExhausted(status)) << status;
    } else if (event == 3 && last_id > 0) {
      const RequestId id = 1 + rng() % last_id;
      if (ledger.entries.contains(id)) ledger.entries[id].cancelled = true;
      ledger.Apply(scheduler.Cancel(id));
    } else if (!pipeline.empty()) {
      const absl::StatusOr<SchedulerActions> actions = scheduler.OnResult(pipeline.Pop());
      ASSERT_TRUE(actions.ok()) << actions.status();
      ledger.Apply(*actions);
    }
    for (const StepFrame& step : scheduler.Poll().steps) pipeline.Push(step);
    if (pipeline.empty()) {
      ASSERT_EQ(scheduler.running() + scheduler.waiting(), 0) << "nothing in flight for them";
    }
  }
  for (const auto& [id, entry] : ledger.entries) {
    EXPECT_EQ(entry.finished, 1) << "request " << id;
  }
  EXPECT_EQ(scheduler.running() + scheduler.waiting() + scheduler.in_flight(), 0);
  EXPECT_EQ(scheduler.free_pages(), config.kv_pages);
  pipeline.ExpectAllFree();
}

TEST(SchedulerTest, RandomLoadsEndOnceInOrderAndWithinMemory) {
  for (unsigned seed = 1; seed <= 300; ++seed) {
    RunRandom(seed);
    if (::testing::Test::HasFailure()) break;
  }
}

}  // namespace
}  // namespace tern
