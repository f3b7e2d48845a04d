// SPDX-License-Identifier: MIT
// The scheduler's behaviour case by case is in testdata/*.txt; here is what reads those, and a
// random test against a pipeline that checks what it is sent.
#include "coordinator/scheduler.h"

#include <algorithm>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/data_driven.h"

namespace tern {
namespace {

// A request, and which of its samples if not the first.
std::string Name(RequestId request, uint32_t sample) {
  return sample == 0 ? absl::StrCat(request) : absl::StrCat(request, "/", sample);
}

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
    absl::StrAppend(&text, "token ", token.result.sampled.chosen.token, " for ",
                    Name(token.request, token.sample), "\n");
  }
  for (const SchedulerActions::Finished& finished : actions.finished) {
    absl::StrAppend(&text, "finished ", Name(finished.request, finished.sample), ": ",
                    FinishReasonName(finished.reason));
    absl::StrAppend(&text, finished.status.ok() ? "" : ": ", finished.status.message(), "\n");
  }
  return text.empty() ? "nothing\n" : text;
}

std::string Describe(const absl::Status& status) {
  if (status.ok()) return "ok\n";
  return absl::StrCat(absl::StatusCodeToString(status.code()), ": ", status.message(), "\n");
}

// Runs the commands of testdata/*.txt (listed in testdata/steps.txt).
class Interpreter {
 public:
  std::string Run(const DataCommand& command) {
    if (command.name == "config") return Config(command);
    if (command.name == "restart") return Restart(command);
    if (command.name == "suspend") return Describe(scheduler_->Suspend());
    if (command.name == "submit") return Submit(command);
    if (command.name == "poll") return Poll();
    if (command.name == "wait") return Wait(command);
    if (command.name == "result") return Result(command);
    if (command.name == "rounds") return Rounds(command);
    if (command.name == "taken") return Taken(command);
    if (command.name == "cancel") return Describe(scheduler_->Cancel(Id(command)));
    if (command.name == "state") return State();
    return absl::StrCat("unknown command ", command.name, "\n");
  }

 private:
  static uint64_t Id(const DataCommand& command) { return std::stoull(command.arguments.at(0)); }

  static SchedulerConfig ConfigOf(const DataCommand& command, uint64_t epoch) {
    SchedulerConfig config;
    config.epoch = epoch;
    config.stages = static_cast<uint32_t>(command.Number("stages", 1));
    config.prefill_chunk = static_cast<uint32_t>(command.Number("chunk", 4));
    config.max_rows = static_cast<uint32_t>(command.Number("max_rows", 8));
    config.mixed_prefill_rows = static_cast<uint32_t>(command.Number("mixed", 100));
    config.kv_pages = command.Number("pages", 100);
    config.context = static_cast<uint32_t>(command.Number("context", 256));
    config.max_queue = static_cast<uint32_t>(command.Number("queue", 10));
    return config;
  }

  std::string Config(const DataCommand& command) {
    scheduler_ = std::make_unique<Scheduler>(ConfigOf(command, 1));
    epoch_ = 1;
    now_ = absl::UnixEpoch();
    asked_.clear();
    return "ok\n";
  }

  std::string Restart(const DataCommand& command) {
    asked_.clear();
    return Describe(scheduler_->Restart(ConfigOf(command, ++epoch_)));
  }

  // Tokens of the prompt are 100 * ID + i, or with `like=ID` those of another.
  std::string Submit(const DataCommand& command) {
    GenerationRequest request;
    for (uint64_t i = 0; i < command.Number("prompt", 1); ++i) {
      request.prompt.push_back(static_cast<TokenId>(100 * command.Number("like", Id(command)) + i));
    }
    request.max_tokens = static_cast<uint32_t>(command.Number("max", 100));
    request.samples = static_cast<uint32_t>(command.Number("n", 1));
    if (command.named.contains("stop")) {
      request.stop_tokens = {static_cast<TokenId>(command.Number("stop", 0))};
    }
    if (command.named.contains("priority")) {
      request.priority = command.named.at("priority") == "low" ? Priority::kLow : Priority::kHigh;
    }
    if (command.named.contains("deadline")) {
      request.deadline = absl::UnixEpoch() + absl::Seconds(command.Number("deadline", 0));
    }
    return Describe(scheduler_->Submit(Id(command), std::move(request), now_));
  }

  std::string Poll() {
    const SchedulerActions actions = scheduler_->Poll(now_);
    for (const StepFrame& step : actions.steps) asked_[step.step] = step.segments;
    return Describe(actions);
  }

  std::string Wait(const DataCommand& command) {
    now_ += absl::Seconds(Id(command));
    return "ok\n";
  }

  // So many times: answers the oldest step in flight, and polls. What the last poll says.
  std::string Rounds(const DataCommand& command) {
    std::string answer;
    for (uint64_t i = 0; i < Id(command); ++i) {
      Result(ParseDataCommand(absl::StrCat("result ", asked_.begin()->first)));
      answer = Poll();
    }
    return answer;
  }

  // Answers a step: what `seq=token` says, token 7 for other sequences that the step sampled.
  std::string Result(const DataCommand& command) {
    ResultFrame frame;
    frame.epoch = command.Number("epoch", epoch_);
    frame.step = Id(command);
    for (const Segment& segment : asked_[frame.step]) {
      if (!segment.sample) continue;
      SequenceResult result;
      result.sequence = segment.sequence;
      result.position = segment.end();
      result.sampled.chosen.token =
          static_cast<TokenId>(command.Number(absl::StrCat(segment.sequence), 7));
      frame.results.push_back(result);
    }
    if (command.named.contains("also")) {
      frame.results.emplace_back().sequence = command.Number("also", 0);
    }
    const absl::StatusOr<SchedulerActions> actions = scheduler_->OnResult(std::move(frame), now_);
    if (!actions.ok()) return Describe(actions.status());
    asked_.erase(Id(command));
    return Describe(*actions);
  }

  std::string Taken(const DataCommand& command) {
    scheduler_->OnTaken(Id(command));
    return absl::StrCat("at most ", scheduler_->max_in_flight(), " steps in flight\n");
  }

  std::string State() const {
    const PagePool& pool = scheduler_->pool();
    return absl::StrCat("running ", scheduler_->running(), ", waiting ", scheduler_->waiting(),
                        ", in flight ", scheduler_->in_flight(), ", pages free ",
                        pool.available() - pool.cached(), ", cached ", pool.cached(), "\n");
  }

  std::unique_ptr<Scheduler> scheduler_;
  uint64_t epoch_ = 1;
  absl::Time now_ = absl::UnixEpoch();
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

// What became of the requests of one run, and what their tokens have to be.
struct Ledger {
  struct Entry {
    GenerationRequest request;
    uint32_t want_tokens = 0;  // of each sample, unless cancelled
    bool stops = false;        // at a stop token
    bool may_end_early = false;
    std::vector<uint32_t> tokens;  // [samples]
    std::vector<int> finished;     // [samples]
  };
  std::map<RequestId, Entry> entries;

  void Apply(const SchedulerActions& actions);
};

// The tokens that a sequence of this prompt and seed has, at any position: what a model is to the
// scheduler. So whoever has the same tokens up to a position has the same next one.
TokenId TokenAt(const std::vector<TokenId>& prompt, uint64_t seed, uint32_t position) {
  if (position < prompt.size()) return prompt[position];
  return static_cast<TokenId>(1000 + seed * 1000 + position);
}

void Ledger::Apply(const SchedulerActions& actions) {
  for (const SchedulerActions::Token& token : actions.tokens) {
    Entry& entry = entries.at(token.request);
    uint32_t& tokens = entry.tokens[token.sample];
    EXPECT_EQ(entry.finished[token.sample], 0) << "token after the end of " << token.request;
    EXPECT_EQ(token.result.sampled.chosen.token,
              TokenAt(entry.request.prompt, entry.request.sampling.seed + token.sample,
                      static_cast<uint32_t>(entry.request.prompt.size()) + tokens))
        << "request " << token.request << ", token " << tokens;
    ++tokens;
  }
  for (const SchedulerActions::Finished& finished : actions.finished) {
    Entry& entry = entries.at(finished.request);
    ++entry.finished[finished.sample];
    if (finished.reason == FinishReason::kCancelled || finished.reason == FinishReason::kDeadline) {
      EXPECT_TRUE(entry.may_end_early);
      continue;
    }
    EXPECT_EQ(finished.reason, entry.stops ? FinishReason::kStop : FinishReason::kLength);
    EXPECT_EQ(entry.tokens[finished.sample], entry.want_tokens);
  }
}

// Stands for all stages, which do the same with the same frames in the same order: keeps the tokens
// in its pages as they do, and checks every frame against what a stage requires.
class FakePipeline {
 public:
  FakePipeline(const SchedulerConfig& config, const Ledger& ledger)
      : config_(config), ledger_(ledger), pages_(config.kv_pages) {}

  void Push(const StepFrame& step) {
    EXPECT_EQ(step.epoch, config_.epoch);
    EXPECT_EQ(step.step, ++last_step_);
    for (const SequenceId sequence : step.release) Release(sequence);
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
    EXPECT_LE(queue_.size(), 4 * config_.stages);
  }

  bool empty() const { return queue_.empty(); }
  size_t size() const { return queue_.size(); }
  uint64_t last_step() const { return last_step_; }
  ResultFrame Pop() {
    ResultFrame result = std::move(queue_.front());
    queue_.pop_front();
    for (const SequenceResult& entry : result.results) sampling_.erase(entry.sequence);
    return result;
  }
  void ExpectNothingHeld() const {
    EXPECT_TRUE(tables_.empty());
    for (const Page& page : pages_) EXPECT_EQ(page.holders, 0);
  }

 private:
  struct Page {
    std::vector<TokenId> tokens;
    int holders = 0;
  };
  struct Table {
    std::vector<uint32_t> pages;
    uint32_t length = 0;
  };

  void Release(SequenceId sequence) {
    ASSERT_TRUE(tables_.contains(sequence)) << "released sequence " << sequence;
    for (const uint32_t page : tables_[sequence].pages) --pages_[page].holders;
    tables_.erase(sequence);
  }

  // A page that has holders is shared: full, and with the tokens that the sequence begins with.
  void AddPages(const Segment& segment, Table& table) {
    for (const uint32_t page : segment.pages) {
      ASSERT_LT(page, config_.kv_pages);
      const bool is_shared = table.pages.size() < segment.position / kKvPageTokens;
      table.pages.push_back(page);
      EXPECT_TRUE(is_shared || pages_[page].holders == 0) << "page " << page << " is another's";
      if (is_shared) {
        EXPECT_EQ(pages_[page].tokens.size(), kKvPageTokens) << "page " << page;
      } else {
        pages_[page].tokens.clear();
      }
      ++pages_[page].holders;
    }
  }

  std::vector<TokenId> TokensOf(const Table& table) const {
    std::vector<TokenId> tokens;
    for (const uint32_t page : table.pages) {
      tokens.insert(tokens.end(), pages_[page].tokens.begin(), pages_[page].tokens.end());
    }
    return tokens;
  }

  void Run(const Segment& segment, std::span<const TokenId> tokens, ResultFrame& result) {
    const SequenceId id = segment.sequence;
    EXPECT_FALSE(sampling_.contains(id)) << "rows of sequence " << id << " before its token";
    const bool is_new = !tables_.contains(id);
    Table& table = tables_[id];
    if (is_new) {
      EXPECT_EQ(segment.position % kKvPageTokens, 0);
      table.length = segment.position;
    }
    EXPECT_EQ(segment.position, table.length);
    AddPages(segment, table);
    ASSERT_LE(KvPagesFor(table.length + tokens.size()), table.pages.size()) << "no page";
    for (const TokenId token : tokens) {
      pages_[table.pages[table.length / kKvPageTokens]].tokens.push_back(token);
      ++table.length;
    }
    if (segment.sample) Sample(segment, table, result);
  }

  // The next token, by the tokens there are: it is wrong if any page was given away too early.
  void Sample(const Segment& segment, const Table& table, ResultFrame& result) {
    const std::vector<TokenId> tokens = TokensOf(table);
    ASSERT_EQ(tokens.size(), table.length);
    const Ledger::Entry* owner = Owner(tokens, segment.sampling.seed);
    ASSERT_NE(owner, nullptr) << "the pages hold the tokens of nobody";
    sampling_.insert(segment.sequence);
    SequenceResult& entry = result.results.emplace_back();
    entry.sequence = segment.sequence;
    entry.position = table.length;
    entry.sampled.chosen.token =
        TokenAt(owner->request.prompt, segment.sampling.seed, table.length);
  }

  // A request with a sample that has these tokens.
  const Ledger::Entry* Owner(const std::vector<TokenId>& tokens, uint64_t seed) const {
    for (const auto& [id, entry] : ledger_.entries) {
      const uint64_t first = entry.request.sampling.seed;
      if (seed < first || seed >= first + entry.request.samples) continue;
      bool same = true;
      for (uint32_t i = 0; i < tokens.size() && same; ++i) {
        same = tokens[i] == TokenAt(entry.request.prompt, seed, i);
      }
      if (same) return &entry;
    }
    return nullptr;
  }

  const SchedulerConfig config_;
  const Ledger& ledger_;
  uint64_t last_step_ = 0;
  std::vector<Page> pages_;
  std::map<SequenceId, Table> tables_;
  std::set<SequenceId> sampling_;  // whose token is in flight
  std::deque<ResultFrame> queue_;
};

SchedulerConfig RandomConfig(std::mt19937& rng) {
  SchedulerConfig config;
  config.epoch = 1 + rng() % 5;
  config.stages = 1 + rng() % 5;
  config.prefill_chunk = 1 + rng() % 40;
  config.max_rows = 1 + rng() % 60;
  config.mixed_prefill_rows = 1 + rng() % 40;
  config.kv_pages = 4 + rng() % 10;
  config.context = 2 + rng() % 127;  // a sequence fits the smallest cache
  config.max_queue = 1 + rng() % 30;
  config.prefix_cache = rng() % 4 != 0;
  return config;
}

// Runs random requests, with a clock that goes on by a random time a step, over pipelines that are
// lost now and then.
class RandomRun {
 public:
  explicit RandomRun(unsigned seed) : rng_(seed), config_(RandomConfig(rng_)), scheduler_(config_) {
    pipeline_.emplace(config_, ledger_);
  }

  void Run() {
    // Every result brings a token or rows of a prompt nearer to their end, or makes room.
    int events_left = 30000;
    for (int submits_left = 40; submits_left > 0 || !pipeline_->empty();) {
      ASSERT_GT(--events_left, 0) << "something starves";
      Step(submits_left);
      if (::testing::Test::HasFailure()) return;
    }
    for (const auto& [id, entry] : ledger_.entries) {
      for (const int finished : entry.finished) EXPECT_EQ(finished, 1) << "request " << id;
    }
    EXPECT_EQ(scheduler_.running() + scheduler_.waiting() + scheduler_.in_flight(), 0);
    EXPECT_EQ(scheduler_.pool().available(), config_.kv_pages);
    EXPECT_EQ(scheduler_.next_deadline(), absl::InfiniteFuture());
    pipeline_->ExpectNothingHeld();
  }

  const Scheduler& scheduler() const { return scheduler_; }

 private:
  void Step(int& submits_left) {
    const unsigned event = rng_() % 100;
    if (event < 30 && submits_left > 0) {
      --submits_left;
      Submit();
    } else if (event < 35 && last_id_ > 0) {
      Cancel(1 + rng_() % last_id_);
    } else if (event < 36 && losses_left_ > 0) {
      --losses_left_;
      Lose();
    } else if (event < 50) {
      // Answers to steps not sent are ignored.
      scheduler_.OnTaken(pipeline_->last_step() - rng_() % (pipeline_->size() + 1) + rng_() % 2);
    } else if (!pipeline_->empty()) {
      absl::StatusOr<SchedulerActions> actions = scheduler_.OnResult(pipeline_->Pop(), now_);
      ASSERT_TRUE(actions.ok()) << actions.status();
      ledger_.Apply(*actions);
    }
    now_ += absl::Milliseconds(rng_() % 300);
    const SchedulerActions actions = scheduler_.Poll(now_);
    ledger_.Apply(actions);
    for (const StepFrame& step : actions.steps) pipeline_->Push(step);
    if (pipeline_->empty()) {
      ASSERT_EQ(scheduler_.running() + scheduler_.waiting(), 0) << "nothing in flight for them";
    }
  }

  void Submit() {
    Ledger::Entry entry;
    GenerationRequest& request = entry.request;
    const uint32_t length = 1 + rng_() % std::min(config_.context - 1, 100u);
    request.prompt = RandomPrompt(length);
    request.max_tokens = 1 + rng_() % 40;
    request.sampling.seed = 100 * ++last_id_;  // nobody else's, nor any sample's
    request.samples = rng_() % 4 == 0 ? 1 + rng_() % 4 : 1;
    request.priority = static_cast<Priority>(rng_() % 3);
    if (rng_() % 10 == 0) {
      request.deadline = now_ + absl::Seconds(rng_() % 20);
      entry.may_end_early = true;
    }
    entry.want_tokens = std::min(request.max_tokens, config_.context - length);
    if (rng_() % 3 == 0 && request.samples == 1) {
      const uint32_t stop_after = rng_() % 40;
      request.stop_tokens = {TokenAt(request.prompt, request.sampling.seed, length + stop_after)};
      entry.stops = stop_after < entry.want_tokens;
      if (entry.stops) entry.want_tokens = stop_after;
    }
    entry.tokens.resize(request.samples);
    entry.finished.resize(request.samples);
    const absl::Status status = scheduler_.Submit(last_id_, request, now_);
    if (status.ok()) ledger_.entries[last_id_] = entry;
    EXPECT_TRUE(status.ok() || absl::IsResourceExhausted(status)) << status;
  }

  // One of a few, or what an earlier request had, so that many begin alike.
  std::vector<TokenId> RandomPrompt(uint32_t length) {
    std::vector<TokenId> prompt;
    const auto kind = static_cast<TokenId>(rng_() % 3);
    const auto earlier = ledger_.entries.find(rng_() % (last_id_ + 1));
    for (uint32_t i = 0; i < length; ++i) {
      if (earlier != ledger_.entries.end()) {
        const GenerationRequest& other = earlier->second.request;
        prompt.push_back(TokenAt(other.prompt, other.sampling.seed, i));
      } else {
        prompt.push_back(static_cast<TokenId>(i < 70 ? i : i * (1 + rng_() % 3)) + kind);
      }
    }
    return prompt;
  }

  void Cancel(RequestId id) {
    if (ledger_.entries.contains(id)) ledger_.entries[id].may_end_early = true;
    ledger_.Apply(scheduler_.Cancel(id));
  }

  void Lose() {
    ledger_.Apply(scheduler_.Suspend());
    EXPECT_TRUE(scheduler_.Poll(now_).steps.empty());
    const uint64_t pages = config_.kv_pages;
    config_ = RandomConfig(rng_);
    config_.kv_pages = pages;
    config_.context = context_;
    ledger_.Apply(scheduler_.Restart(config_));
    pipeline_.emplace(config_, ledger_);
  }

  std::mt19937 rng_;
  SchedulerConfig config_;
  const uint32_t context_ = config_.context;  // of the model, whatever the plan
  Scheduler scheduler_;
  Ledger ledger_;
  std::optional<FakePipeline> pipeline_;
  absl::Time now_ = absl::UnixEpoch();
  RequestId last_id_ = 0;
  int losses_left_ = 3;
};

TEST(SchedulerTest, RandomLoadsEndOnceInOrderAndWithinMemory) {
  uint64_t preemptions = 0, shared_tokens = 0;
  for (unsigned seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    RandomRun run(seed);
    run.Run();
    preemptions += run.scheduler().counters().preemptions;
    shared_tokens += run.scheduler().counters().shared_tokens;
    if (::testing::Test::HasFailure()) break;
  }
  EXPECT_GT(preemptions, 1000) << "else this test shows little";
  EXPECT_GT(shared_tokens, 10000);
}

// The steps of a request that takes all the cache in the end, while so many others wait for it.
std::string StepsBeside(size_t waiting) {
  SchedulerConfig config;
  config.kv_pages = 4;
  config.context = 4 * kKvPageTokens;
  Scheduler scheduler(config);
  const absl::Time now = absl::UnixEpoch();
  const auto submit = [&](RequestId id, uint32_t prompt) {
    GenerationRequest request;
    request.prompt.assign(prompt, 1);
    request.max_tokens = 100;
    EXPECT_TRUE(scheduler.Submit(id, request, now).ok());
  };
  submit(1, 1);
  std::string text = Describe(scheduler.Poll(now));
  for (RequestId id = 2; id < 2 + waiting; ++id) submit(id, 3 * kKvPageTokens - 1);
  for (uint64_t step = 1; step <= 100; ++step) {
    ResultFrame result;
    result.step = step;
    SequenceResult& token = result.results.emplace_back();
    token.sequence = 1;
    token.position = static_cast<uint32_t>(step);
    text += Describe(scheduler.OnResult(std::move(result), now).value());
    EXPECT_EQ(scheduler.waiting(), waiting);
    if (step < 100) text += Describe(scheduler.Poll(now));
  }
  return text;
}

TEST(SchedulerTest, RequestsThatWaitAddNothingToSteps) {
  const std::string alone = StepsBeside(0);
  EXPECT_THAT(alone, testing::HasSubstr("step 100"));
  EXPECT_EQ(StepsBeside(1000), alone);
}

TEST(SchedulerTest, AFullQueueSaysWhenToTryAgain) {
  SchedulerConfig config;
  config.kv_pages = 1;
  config.context = 32;
  config.max_queue = 1;
  Scheduler scheduler(config);
  GenerationRequest request;
  request.prompt = {1};
  const absl::Time start = absl::UnixEpoch();
  ASSERT_TRUE(scheduler.Submit(1, request, start).ok());
  const absl::Status full = scheduler.Submit(2, request, start);
  EXPECT_TRUE(absl::IsResourceExhausted(full));
  EXPECT_EQ(full.GetPayload(kRetryAfterPayload), "1000") << "nothing has ended yet";
  // Two requests that end three seconds apart.
  RequestId id = 1;
  for (const int second : {1, 4}) {
    scheduler.Poll(start + absl::Seconds(second));
    scheduler.Cancel(id);
    id = second == 1 ? 3 : 4;
    ASSERT_TRUE(scheduler.Submit(id, request, start + absl::Seconds(second)).ok());
  }
  EXPECT_EQ(scheduler.Submit(5, request, start + absl::Seconds(4)).GetPayload(kRetryAfterPayload),
            "3000");
}

}  // namespace
}  // namespace tern
