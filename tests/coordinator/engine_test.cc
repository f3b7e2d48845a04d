// SPDX-License-Identifier: MIT
// The engine over a pipeline that answers with scripted tokens, on the engine's own thread: no test
// here depends on time.
#include "coordinator/engine.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <latch>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cluster/clock.h"
#include "formats/gguf.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/recorder.h"
#include "tests/support/tiny_model.h"

namespace tern {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr uint64_t kEpoch = 5;

SchedulerConfig Config() {
  SchedulerConfig config;
  config.epoch = kEpoch;
  config.kv_pages = 64;
  config.context = 256;
  return config;
}

// A link whose other end is a function.
class FunctionSender final : public FrameSender {
 public:
  explicit FunctionSender(std::function<void(Frame)> send) : send_(std::move(send)) {}
  void Send(Frame frame) override { send_(std::move(frame)); }

 private:
  const std::function<void(Frame)> send_;
};

class EngineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<GgufFile>> file = GgufFile::Open(TinyModelPath());
    ASSERT_TRUE(file.ok()) << file.status();
    absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer =
        Tokenizer::Create(ReadVocabulary(**file).value());
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    tokenizer_ = *std::move(tokenizer);
    MakeEngine(absl::ZeroDuration());
  }

  void MakeEngine(absl::Duration recovery_timeout) {
    engine_.reset();
    engine_ = std::make_unique<Engine>(
        *tokenizer_, [this](absl::Status status) { pipeline_errors_.push_back(status); },
        recovery_timeout);
  }

  // From now on every step is answered at once.
  void Start(const SchedulerConfig& config = Config()) {
    engine_->StartPipeline(config, std::make_unique<FunctionSender>([this](Frame frame) {
                             engine_->OnFrame(Answer(std::get<StepFrame>(std::move(frame))));
                           }));
  }

  // From now on steps go nowhere.
  void StartSilent(const SchedulerConfig& config = Config()) {
    engine_->StartPipeline(config, std::make_unique<FunctionSender>([](Frame) {}));
  }

  // From now on steps are answered as long as the script lasts.
  void StartScripted(const SchedulerConfig& config, std::function<void()> on_end) {
    engine_->StartPipeline(
        config, std::make_unique<FunctionSender>([this, on_end = std::move(on_end)](Frame frame) {
          if (script_.empty()) return on_end();
          engine_->OnFrame(Answer(std::get<StepFrame>(std::move(frame))));
        }));
  }

  // The next tokens of the script, which all sequences share.
  ResultFrame Answer(StepFrame step) {
    released_.insert(released_.end(), step.release.begin(), step.release.end());
    ResultFrame frame;
    frame.epoch = step.epoch;
    frame.step = step.step;
    for (const Segment& segment : step.segments) {
      if (!segment.sample) continue;
      SequenceResult& result = frame.results.emplace_back();
      result.sequence = segment.sequence;
      result.position = segment.end();
      result.sampled.chosen.token = script_.empty() ? TokenOf("z") : script_.front();
      if (!script_.empty()) script_.pop_front();
      if (segment.want_logits) result.logits = {1, 2, 3};
    }
    return frame;
  }

  // The token of one byte.
  TokenId TokenOf(const std::string& byte) const { return tokenizer_->Encode(byte).at(0); }

  // One token a byte.
  void Script(const std::string& bytes) {
    for (const char byte : bytes) script_.push_back(TokenOf(std::string(1, byte)));
  }

  GenerationRequest Request(uint32_t max_tokens = 100) const {
    GenerationRequest request;
    request.prompt = {1, 2, 3};
    request.max_tokens = max_tokens;
    return request;
  }

  Outcome Generate(GenerationRequest request) {
    const auto recorder = std::make_shared<Recorder>();
    engine_->Submit(std::move(request), recorder);
    return recorder->Wait();
  }

  bool Idle() { return engine_->WaitIdle(absl::InfiniteDuration()); }

  std::unique_ptr<Tokenizer> tokenizer_;
  // Of the engine's thread, until Idle().
  std::deque<TokenId> script_;
  std::vector<SequenceId> released_;
  std::vector<absl::Status> pipeline_errors_;
  std::unique_ptr<Engine> engine_;  // last: its thread uses everything above
};

TEST_F(EngineTest, TokensBecomeText) {
  Start();
  Script("Hello");
  GenerationRequest request = Request(5);
  request.want_logits = true;
  const Outcome outcome = Generate(std::move(request));
  EXPECT_EQ(outcome.text, "Hello");
  EXPECT_EQ(outcome.reason, FinishReason::kLength);
  EXPECT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_THAT(outcome.logits, ::testing::SizeIs(5));
  EXPECT_EQ(outcome.stats.prompt_tokens, 3);
  EXPECT_EQ(outcome.stats.generated_tokens, 5);
  EXPECT_LE(outcome.stats.time_to_first_token, outcome.stats.total);
  EXPECT_TRUE(Idle());
  EXPECT_THAT(released_, ElementsAre(1));
  const Engine::Stats stats = engine_->stats();
  EXPECT_EQ(stats.running, 0);
  EXPECT_EQ(stats.free_kv_pages, 64);
  EXPECT_EQ(stats.kv_pages, 64);
  EXPECT_EQ(stats.steps_done, 6) << "five tokens and the release";
  EXPECT_TRUE(stats.pipeline_up);
}

TEST_F(EngineTest, AStopTokenEndsAndIsNotShown) {
  Start();
  Script("ab.cd");
  GenerationRequest request = Request();
  request.stop_tokens = {TokenOf("."), TokenOf("!")};
  const Outcome outcome = Generate(std::move(request));
  EXPECT_EQ(outcome.text, "ab");
  EXPECT_EQ(outcome.reason, FinishReason::kStop);
  EXPECT_EQ(outcome.stats.generated_tokens, 2);
}

TEST_F(EngineTest, AStopTextThatSpansTokensIsNeverShown) {
  Start();
  Script("one\nUser: two");
  GenerationRequest request = Request();
  request.stop = {"\nUser:"};
  const Outcome outcome = Generate(std::move(request));
  EXPECT_EQ(outcome.text, "one");
  EXPECT_EQ(outcome.reason, FinishReason::kStop);
  EXPECT_EQ(outcome.finished, 1);
  EXPECT_TRUE(Idle());
  EXPECT_THAT(released_, ElementsAre(1));
}

TEST_F(EngineTest, AStopTextInTheLastTokenIsAStop) {
  Start();
  Script("abcd");
  GenerationRequest request = Request(4);
  request.stop = {"cd"};
  const Outcome outcome = Generate(std::move(request));
  EXPECT_EQ(outcome.text, "ab");
  EXPECT_EQ(outcome.reason, FinishReason::kStop);
}

TEST_F(EngineTest, TextWithheldForAStopTextComesAtTheEnd) {
  Start();
  Script("ab##");
  GenerationRequest request = Request(4);
  request.stop = {"###"};
  const Outcome outcome = Generate(std::move(request));
  EXPECT_EQ(outcome.text, "ab##");
  EXPECT_EQ(outcome.tail, "##");
  EXPECT_EQ(outcome.reason, FinishReason::kLength);
}

TEST_F(EngineTest, ACharacterInTwoTokensIsShownWhole) {
  Start();
  Script("\xC3\xA9");  // é
  const Outcome whole = Generate(Request(2));
  EXPECT_EQ(whole.text, "\xC3\xA9");
  EXPECT_EQ(whole.tail, "");
  EXPECT_TRUE(Idle());
  Script("\xC3");
  const Outcome half = Generate(Request(1));
  EXPECT_EQ(half.tail, "\xEF\xBF\xBD") << "U+FFFD";
}

TEST_F(EngineTest, TheContextEndsARequest) {
  SchedulerConfig config = Config();
  config.context = 8;
  Start(config);
  const Outcome outcome = Generate(Request());
  EXPECT_EQ(outcome.reason, FinishReason::kLength);
  EXPECT_EQ(outcome.stats.generated_tokens, 5);
}

TEST_F(EngineTest, RequestsThatCannotRunEndWithTheReason) {
  Start();
  const auto refused = [&](const std::function<void(GenerationRequest&)>& change) {
    GenerationRequest request = Request();
    change(request);
    const Outcome outcome = Generate(std::move(request));
    EXPECT_EQ(outcome.reason, FinishReason::kError);
    EXPECT_EQ(outcome.finished, 1);
    EXPECT_TRUE(outcome.tokens.empty());
    return outcome.status;
  };
  using R = GenerationRequest;
  const TokenId vocab = static_cast<TokenId>(tokenizer_->vocab());
  const std::vector<std::function<void(R&)>> invalid = {
      [](R& request) { request.prompt.clear(); },
      [](R& request) { request.prompt = {-1}; },
      [&](R& request) { request.prompt = {vocab}; },
      [](R& request) { request.prompt.assign(256, 1); },
      [](R& request) { request.max_tokens = 0; },
      [](R& request) { request.samples = 0; },
      [](R& request) { request.samples = 65; },
      [](R& request) { request.sampling.top_p = std::numeric_limits<float>::quiet_NaN(); },
      [](R& request) { request.stop = {""}; },
      [](R& request) { request.stop = {std::string(257, 'x')}; },
      [](R& request) { request.stop.assign(17, "x"); },
      [](R& request) { request.stop_tokens.assign(65, 1); },
  };
  for (size_t i = 0; i < invalid.size(); ++i) {
    const absl::Status status = refused(invalid[i]);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << i << ": " << status;
  }
  EXPECT_TRUE(Idle());
}

TEST_F(EngineTest, WithoutAPipelineRequestsMayBeRetried) {
  EXPECT_EQ(Generate(Request()).status.code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(engine_->stats().pipeline_up);
}

TEST_F(EngineTest, ALostPipelineEndsEveryRequestOnce) {
  SchedulerConfig config = Config();
  config.kv_pages = 8;  // two requests
  StartSilent(config);
  std::vector<std::shared_ptr<Recorder>> recorders;
  for (int i = 0; i < 5; ++i) {
    recorders.push_back(std::make_shared<Recorder>());
    engine_->Submit(Request(), recorders.back());
  }
  engine_->StopPipeline(absl::UnavailableError("worker b left"));
  engine_->StopPipeline(absl::UnavailableError("worker c left too"));
  EXPECT_EQ(Generate(Request()).status.message(), "worker b left") << "new ones, too";
  EXPECT_TRUE(Idle());
  for (const auto& recorder : recorders) {
    const Outcome outcome = recorder->Now();
    EXPECT_EQ(outcome.finished, 1);
    EXPECT_EQ(outcome.reason, FinishReason::kError);
    EXPECT_EQ(outcome.status, absl::UnavailableError("worker b left"));
  }
  EXPECT_TRUE(pipeline_errors_.empty()) << "the caller knows";
  config.epoch = kEpoch + 1;
  Start(config);
  EXPECT_EQ(Generate(Request(2)).reason, FinishReason::kLength) << "the next plan serves";
}

TEST_F(EngineTest, APipelineThatDoesNotComeUpSaysWhy) {
  MakeEngine(absl::InfiniteDuration());
  engine_->LosePipeline(absl::UnavailableError("worker b failed: disk full"));
  const Outcome outcome = Generate(Request());
  EXPECT_EQ(outcome.status, absl::UnavailableError("worker b failed: disk full"));
}

TEST_F(EngineTest, RequestsGoOnOverTheNextPipeline) {
  MakeEngine(absl::InfiniteDuration());
  Script("abc");
  // Lost when there are three tokens and the step for the fourth is on its way.
  std::latch lost(1);
  StartScripted(Config(), [&] {
    engine_->LosePipeline(absl::UnavailableError("b left"));
    lost.count_down();
  });
  const auto recorder = std::make_shared<Recorder>();
  engine_->Submit(Request(6), recorder);
  lost.wait();
  const auto late = std::make_shared<Recorder>();
  const RequestId cancelled = engine_->Submit(Request(6), late);
  engine_->Cancel(cancelled);
  EXPECT_EQ(late->Wait().reason, FinishReason::kCancelled) << "while there is no pipeline";
  EXPECT_EQ(recorder->Now().finished, 0);
  EXPECT_EQ(recorder->Now().tokens.size(), 3);

  uint32_t first_rows = 0;
  SchedulerConfig next = Config();
  next.epoch = kEpoch + 1;
  engine_->StartPipeline(next, std::make_unique<FunctionSender>([&](Frame frame) {
                           auto& step = std::get<StepFrame>(frame);
                           if (first_rows == 0) {
                             first_rows = step.rows();
                             Script("def");
                           }
                           engine_->OnFrame(Answer(std::move(step)));
                         }));
  const Outcome outcome = recorder->Wait();
  EXPECT_EQ(outcome.text, "abcdef");
  EXPECT_EQ(outcome.reason, FinishReason::kLength);
  EXPECT_EQ(outcome.stats.generated_tokens, 6);
  EXPECT_TRUE(Idle());
  EXPECT_EQ(first_rows, 6) << "the prompt and what had been generated";
  EXPECT_EQ(recorder->Now().finished, 1);
  EXPECT_EQ(engine_->stats().recoveries, 1);
}

TEST_F(EngineTest, IfNoPipelineComesInTimeRequestsEnd) {
  MakeEngine(absl::Milliseconds(1));
  StartSilent();
  const auto recorder = std::make_shared<Recorder>();
  engine_->Submit(Request(), recorder);
  engine_->LosePipeline(absl::UnavailableError("worker b left"));
  EXPECT_EQ(recorder->Wait().status, absl::UnavailableError("worker b left"));
  EXPECT_EQ(Generate(Request()).status.message(), "worker b left") << "new ones, too";
  EXPECT_TRUE(Idle());
}

TEST_F(EngineTest, ADeadlineEndsARequest) {
  StartSilent();
  GenerationRequest request = Request();
  request.deadline = MonotonicNow() + absl::Milliseconds(1);
  const Outcome outcome = Generate(std::move(request));
  EXPECT_EQ(outcome.reason, FinishReason::kDeadline);
  EXPECT_EQ(outcome.status.code(), absl::StatusCode::kDeadlineExceeded);
}

// Several samples, of which two end by a stop text.
TEST_F(EngineTest, SamplesEndOneByOne) {
  class Listener final : public GenerationListener {
   public:
    void OnToken(const GeneratedToken& token) override { texts[token.sample] += token.text; }
    void OnSampleFinish(FinishReason reason, const std::string& tail,
                        const GenerationStats& stats) override {
      texts[stats.sample] += tail;
      ends.emplace_back(stats.sample, reason);
    }
    void OnFinish(FinishReason reason, const std::string& tail, const absl::Status& status,
                  const GenerationStats& stats) override {
      EXPECT_TRUE(status.ok()) << status;
      OnSampleFinish(reason, tail, stats);
    }
    std::string texts[3];
    std::vector<std::pair<uint32_t, FinishReason>> ends;
  };
  Start();
  GenerationRequest request = Request(3);
  request.samples = 3;
  request.stop = {"."};
  // The first alone, then three together: b c d, and . f . of which the first and the last end.
  Script("abcd.f.h");
  const auto listener = std::make_shared<Listener>();
  engine_->Submit(std::move(request), listener);
  EXPECT_TRUE(Idle());
  EXPECT_THAT(listener->texts, ElementsAre("ab", "cfh", "d"));
  // The first had all its tokens with the last, which is noticed later.
  using Ends = std::vector<std::pair<uint32_t, FinishReason>>;
  EXPECT_EQ(listener->ends,
            (Ends{{2, FinishReason::kStop}, {0, FinishReason::kStop}, {1, FinishReason::kLength}}));
}

TEST_F(EngineTest, AFrameThatCannotBeOursStopsThePipeline) {
  ResultFrame other_step;
  other_step.epoch = kEpoch;
  other_step.step = 77;
  StepFrame step;
  step.epoch = kEpoch;
  std::vector<Frame> frames;
  frames.push_back(std::move(other_step));
  frames.push_back(std::move(step));
  for (Frame& frame : frames) {
    pipeline_errors_.clear();
    StartSilent();
    const auto recorder = std::make_shared<Recorder>();
    engine_->Submit(Request(), recorder);
    engine_->OnFrame(std::move(frame));
    const Outcome outcome = recorder->Wait();
    EXPECT_EQ(outcome.status.code(), absl::StatusCode::kInternal) << outcome.status;
    EXPECT_TRUE(Idle());
    EXPECT_EQ(recorder->Now().finished, 1);
    EXPECT_THAT(pipeline_errors_, ElementsAre(outcome.status));
  }
}

TEST_F(EngineTest, FramesOfAnotherEpochAreDropped) {
  Start();
  Script("ok");
  for (const uint64_t epoch : {kEpoch - 1, kEpoch + 1}) {
    ResultFrame frame;
    frame.epoch = epoch;
    frame.step = 1;
    engine_->OnFrame(std::move(frame));
  }
  EXPECT_EQ(Generate(Request(2)).text, "ok");
  EXPECT_TRUE(pipeline_errors_.empty());
}

TEST_F(EngineTest, CancelEndsOnceAndReleases) {
  StartSilent();
  const auto recorder = std::make_shared<Recorder>();
  const RequestId id = engine_->Submit(Request(), recorder);
  engine_->Cancel(id);
  engine_->Cancel(id);
  engine_->Cancel(id + 1);
  const Outcome outcome = recorder->Wait();
  EXPECT_EQ(outcome.reason, FinishReason::kCancelled);
  EXPECT_EQ(outcome.status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(recorder->Now().finished, 1);
}

TEST_F(EngineTest, TheEndOfTheEngineCancelsRequests) {
  StartSilent();
  const auto recorder = std::make_shared<Recorder>();
  engine_->Submit(Request(), recorder);
  engine_.reset();
  const Outcome outcome = recorder->Now();
  EXPECT_EQ(outcome.finished, 1);
  EXPECT_EQ(outcome.reason, FinishReason::kCancelled);
  EXPECT_EQ(outcome.status.code(), absl::StatusCode::kCancelled);
}

TEST_F(EngineTest, WaitIdleGivesUp) {
  StartSilent();
  engine_->Submit(Request(), std::make_shared<Recorder>());
  EXPECT_FALSE(engine_->WaitIdle(absl::Milliseconds(1)));
}

// A listener may start the next request from within OnFinish, or cancel from within OnToken.
TEST_F(EngineTest, ListenersMayCallTheEngine) {
  Start();
  const auto recorder = std::make_shared<Recorder>([&](size_t tokens) {
    if (tokens == 3) engine_->Cancel(1);
  });
  EXPECT_EQ(engine_->Submit(Request(), recorder), 1);
  const Outcome outcome = recorder->Wait();
  EXPECT_EQ(outcome.reason, FinishReason::kCancelled);
  EXPECT_EQ(outcome.text, "zzzz") << "the fourth was on its way";
}

TEST_F(EngineTest, NoStageWaitsWhileATokenIsTold) {
  int steps = 0;
  std::vector<int> steps_when_told;  // by number of the token; both of the engine's thread
  engine_->StartPipeline(Config(), std::make_unique<FunctionSender>([&](Frame frame) {
                           ++steps;
                           engine_->OnFrame(Answer(std::get<StepFrame>(std::move(frame))));
                         }));
  const auto recorder =
      std::make_shared<Recorder>([&](size_t) { steps_when_told.push_back(steps); });
  engine_->Submit(Request(3), recorder);
  EXPECT_EQ(recorder->Wait().text, "zzz");
  EXPECT_TRUE(Idle());
  EXPECT_THAT(steps_when_told, ElementsAre(2, 3, 4)) << "each after the step behind its own";
}

// For thread sanitizer, and for promise 2: whatever comes at once, each request ends once.
TEST_F(EngineTest, ManyThreads) {
  constexpr int kThreads = 4;
  constexpr int kRequests = 50;
  SchedulerConfig config = Config();
  config.max_queue = 20;
  Start(config);
  std::vector<std::shared_ptr<Recorder>> recorders(kThreads * kRequests);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < kRequests; ++i) {
        auto& recorder = recorders[static_cast<size_t>(thread * kRequests + i)];
        recorder = std::make_shared<Recorder>();
        const RequestId id = engine_->Submit(Request(1 + static_cast<uint32_t>(i) % 20), recorder);
        if (i % 3 == 0) engine_->Cancel(id);
        if (i % 7 == 0) engine_->stats();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(Idle());
  for (const auto& recorder : recorders) {
    const Outcome outcome = recorder->Now();
    EXPECT_EQ(outcome.finished, 1);
    if (outcome.reason == FinishReason::kError) {
      EXPECT_EQ(outcome.status.code(), absl::StatusCode::kResourceExhausted) << outcome.status;
    }
  }
  EXPECT_EQ(engine_->stats().free_kv_pages, config.kv_pages);
}

}  // namespace
}  // namespace tern
