// SPDX-License-Identifier: MIT
#include "worker/stage.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/random_model.h"
#include "tests/support/run_model.h"

namespace tern {
namespace {

using ::testing::IsEmpty;

constexpr uint64_t kEpoch = 4;

class StageTest : public ::testing::Test {
 protected:
  std::unique_ptr<Stage> Make(LayerRange layers, uint64_t kv_pages = 8) {
    StageSpec spec;
    spec.epoch = kEpoch;
    spec.config = config_;
    spec.layers = layers;
    spec.kv_pages = kv_pages;
    absl::StatusOr<std::unique_ptr<Stage>> stage =
        Stage::Create(spec, model_, kernels_, pool_.get());
    EXPECT_TRUE(stage.ok()) << stage.status();
    return *std::move(stage);
  }

  // A step of one segment.
  StepFrame Step(SequenceId sequence, uint32_t position, const std::vector<TokenId>& tokens) {
    StepFrame step;
    step.epoch = kEpoch;
    step.step = ++last_step_;
    AddSegment(sequence, position, tokens, step);
    return step;
  }

  static void AddSegment(SequenceId sequence, uint32_t position, const std::vector<TokenId>& tokens,
                         StepFrame& step) {
    Segment segment;
    segment.sequence = sequence;
    segment.position = position;
    segment.rows = static_cast<uint32_t>(tokens.size());
    if (position == 0) segment.pages = FirstPages(sequence);
    segment.sample = true;
    segment.want_logits = true;
    segment.sampling.temperature = 0;
    step.segments.push_back(segment);
    step.tokens.insert(step.tokens.end(), tokens.begin(), tokens.end());
  }

  // Two pages each, room for 64 tokens.
  static std::vector<uint32_t> FirstPages(SequenceId sequence) {
    const auto first = static_cast<uint32_t>(2 * (sequence % 4));
    return {first + 1, first};
  }

  const ModelConfig config_ = SmallConfig();
  const RandomModel model_{config_, 1};
  const Kernels kernels_ = ChooseKernels("portable").value();
  const std::unique_ptr<ThreadPool> pool_ = ThreadPool::Create({}).value();
  uint64_t last_step_ = 0;
};

// The whole pipeline: the result, or the error of the stage that refused.
absl::StatusOr<ResultFrame> RunAll(std::vector<std::unique_ptr<Stage>>& stages, StepFrame step) {
  for (const std::unique_ptr<Stage>& stage : stages) {
    absl::StatusOr<Frame> frame = stage->Run(std::move(step));
    if (!frame.ok()) return frame.status();
    if (stage->is_last()) return std::get<ResultFrame>(*std::move(frame));
    step = std::get<StepFrame>(*std::move(frame));
  }
  return absl::InternalError("no last stage");
}

TEST_F(StageTest, AStepOfSeveralSequencesGivesEachItsLogits) {
  std::vector<std::unique_ptr<Stage>> stages;
  stages.push_back(Make({0, 2}));
  stages.push_back(Make({2, 5}));
  EXPECT_TRUE(stages[0]->is_first() && !stages[0]->is_last());
  EXPECT_TRUE(!stages[1]->is_first() && stages[1]->is_last());
  const std::vector<TokenId> one = {5, 6, 7}, two = {8, 9};
  StepFrame step = Step(1, 0, one);
  AddSegment(2, 0, two, step);
  const absl::StatusOr<ResultFrame> result = RunAll(stages, std::move(step));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->epoch, kEpoch);
  EXPECT_EQ(result->step, 1);
  ASSERT_EQ(result->results.size(), 2);
  for (const auto& [index, tokens] : {std::pair{0, one}, std::pair{1, two}}) {
    const SequenceResult& got = result->results[static_cast<size_t>(index)];
    const std::vector<float> all = RunModel(config_, model_, tokens);
    EXPECT_EQ(got.sequence, index + 1);
    EXPECT_EQ(got.position, tokens.size());
    EXPECT_EQ(got.logits, std::vector<float>(all.end() - config_.vocab, all.end()));
    const auto best = std::max_element(got.logits.begin(), got.logits.end());
    EXPECT_EQ(got.sampled.chosen.token, best - got.logits.begin());
  }
}

// The last stage, too, must know every token before, though it never saw the prompt embedded.
TEST_F(StageTest, TheRepetitionPenaltySeesTheWholeSequence) {
  std::vector<std::unique_ptr<Stage>> stages;
  stages.push_back(Make({0, 4}));
  stages.push_back(Make({4, 5}));
  std::vector<TokenId> prompt(30);
  std::iota(prompt.begin(), prompt.end(), 0);
  ASSERT_TRUE(RunAll(stages, Step(1, 0, prompt)).ok());
  std::vector<TokenId> history = prompt;
  int prompt_mattered = 0;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    StepFrame step = Step(1, static_cast<uint32_t>(history.size()), {40});
    history.push_back(40);
    SamplingParams params;
    params.temperature = 2;
    params.repetition_penalty = 10;
    params.seed = seed;
    step.segments[0].sampling = params;
    const absl::StatusOr<ResultFrame> result = RunAll(stages, std::move(step));
    ASSERT_TRUE(result.ok()) << result.status();
    const SequenceResult& got = result->results.at(0);
    const auto sample = [&](std::span<const TokenId> seen) {
      return SampleToken(got.logits, params, got.position, seen).chosen.token;
    };
    EXPECT_EQ(got.sampled.chosen.token, sample(history));
    if (sample(history) != sample(std::span(history).subspan(prompt.size()))) ++prompt_mattered;
  }
  EXPECT_GT(prompt_mattered, 0) << "else this test shows nothing";
}

// Sequences that the screen serves and others that need all logits, in the same steps.
TEST_F(StageTest, AScreenedHeadSamplesWhatTheFullOneDoes) {
  ModelConfig config = SmallConfig();
  config.vocab = 2000;
  const RandomModel model(config, 5);
  StageSpec spec;
  spec.epoch = kEpoch;
  spec.config = config;
  spec.layers = {0, config.layers};
  spec.kv_pages = 8;
  Kernels screened = kernels_, full = kernels_;
  screened.screen_from_rows = 0;
  full.screen_from_rows = config.vocab + 1;
  const auto stage = Stage::Create(spec, model, screened, pool_.get()).value();
  const auto want = Stage::Create(spec, model, full, pool_.get()).value();
  std::vector<TokenId> last = {7, 8, 9, 10};
  for (uint32_t position = 0; position < 30; ++position) {
    const auto run = [&](Stage& on) {
      StepFrame step;
      step.epoch = kEpoch;
      for (SequenceId id = 0; id < last.size(); ++id) AddSegment(id, position, {last[id]}, step);
      for (Segment& segment : step.segments) segment.want_logits = segment.sequence == 1;
      step.segments[2].sampling = {.temperature = 1.5f, .top_k = 100, .repetition_penalty = 1.5f};
      step.segments[3].sampling = {.temperature = 1, .top_k = 0, .logprobs = 2};
      return std::get<ResultFrame>(on.Run(std::move(step)).value());
    };
    const ResultFrame got = run(*stage), wanted = run(*want);
    ASSERT_EQ(got.results.size(), last.size());
    for (size_t id = 0; id < last.size(); ++id) {
      EXPECT_EQ(got.results[id].sampled, wanted.results[id].sampled);
      EXPECT_EQ(got.results[id].logits, wanted.results[id].logits);
      last[id] = got.results[id].sampled.chosen.token;
    }
  }
  EXPECT_EQ(stage->head_stats().screened_tokens, 60);
  EXPECT_EQ(stage->head_stats().full_tokens, 60);
  EXPECT_EQ(want->head_stats().full_tokens, 120);
  EXPECT_LT(stage->head_stats().candidates, 60 * 1000);
}

TEST_F(StageTest, ChunksWithoutSamplingGiveNothingYet) {
  const std::unique_ptr<Stage> stage = Make({0, 5});
  StepFrame chunk = Step(1, 0, {5, 6});
  chunk.segments[0].sample = chunk.segments[0].want_logits = false;
  const absl::StatusOr<Frame> frame = stage->Run(std::move(chunk));
  ASSERT_TRUE(frame.ok()) << frame.status();
  EXPECT_THAT(std::get<ResultFrame>(*frame).results, IsEmpty());
  EXPECT_EQ(stage->cache().length(1), 2);
}

TEST_F(StageTest, ReleasedSequencesGiveUpTheirPagesBeforeOthersRun) {
  const std::unique_ptr<Stage> stage = Make({0, 5}, /*kv_pages=*/1);
  StepFrame step = Step(1, 0, {5});
  step.segments[0].pages = {0};
  ASSERT_TRUE(stage->Run(std::move(step)).ok());
  StepFrame instead = Step(2, 0, {5});
  instead.segments[0].pages = {0};
  instead.release = {1, 77};  // an unknown one does no harm
  ASSERT_TRUE(stage->Run(std::move(instead)).ok());
  EXPECT_FALSE(stage->cache().Knows(1));
  EXPECT_EQ(stage->cache().length(2), 1);
}

// The pages that another sequence filled stand for their tokens, also for the penalty, and also
// when that one is gone.
TEST_F(StageTest, ASequenceMayBeginBehindSharedPages) {
  std::vector<std::unique_ptr<Stage>> stages;
  stages.push_back(Make({0, 2}));
  stages.push_back(Make({2, 5}));
  std::vector<TokenId> prompt(40);
  std::iota(prompt.begin(), prompt.end(), 0);
  const auto penalised = [](StepFrame step) {
    step.segments[0].sampling = {.temperature = 2, .repetition_penalty = 10, .seed = 3};
    return step;
  };
  const absl::StatusOr<ResultFrame> want = RunAll(stages, penalised(Step(1, 0, prompt)));
  ASSERT_TRUE(want.ok()) << want.status();
  for (const bool is_gone : {false, true}) {
    const SequenceId sequence = is_gone ? 3 : 2;
    StepFrame step = penalised(Step(sequence, 32, {prompt.begin() + 32, prompt.end()}));
    step.segments[0].pages = {FirstPages(1)[0], FirstPages(sequence)[1]};
    if (is_gone) step.release = {1};
    const absl::StatusOr<ResultFrame> got = RunAll(stages, std::move(step));
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(got->results.at(0).logits, want->results.at(0).logits);
    EXPECT_EQ(got->results.at(0).sampled, want->results.at(0).sampled);
    EXPECT_EQ(stages[0]->cache().length(sequence), 40);
  }
}

TEST_F(StageTest, AStepThatOnlyReleasesPassesThrough) {
  std::vector<std::unique_ptr<Stage>> stages;
  stages.push_back(Make({0, 2}));
  stages.push_back(Make({2, 5}));
  ASSERT_TRUE(RunAll(stages, Step(1, 0, {5})).ok());
  StepFrame release;
  release.epoch = kEpoch;
  release.step = 9;
  release.release = {1};
  const absl::StatusOr<ResultFrame> result = RunAll(stages, std::move(release));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->step, 9);
  for (const auto& stage : stages) EXPECT_EQ(stage->cache().sequences(), 0);
}

// Nothing changes: afterwards the right step still runs.
TEST_F(StageTest, RefusesStepsThatAreNotForIt) {
  const std::unique_ptr<Stage> first = Make({0, 2});
  ASSERT_TRUE(first->Run(Step(1, 0, {5, 6})).ok());
  const auto code = [&](const std::function<void(StepFrame&)>& change) {
    StepFrame step = Step(1, 2, {7});
    AddSegment(2, 0, {8, 9}, step);
    change(step);
    return first->Run(std::move(step)).status().code();
  };
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  constexpr auto kPrecondition = absl::StatusCode::kFailedPrecondition;
  EXPECT_EQ(code([](StepFrame& step) { step.epoch = kEpoch + 1; }), kPrecondition);
  EXPECT_EQ(code([](StepFrame& step) { step.segments[0].position = 1; }), kPrecondition);
  EXPECT_EQ(code([](StepFrame& step) { step.segments[0].position = 3; }), kPrecondition);
  EXPECT_EQ(code([](StepFrame& step) {
              step.segments[1].sequence = 3;
              step.segments[1].position = 1;
            }),
            kPrecondition);
  EXPECT_EQ(code([](StepFrame& step) { step.segments[1].sequence = 1; }), kInvalid) << "twice";
  EXPECT_EQ(code([](StepFrame& step) { step.release = {1}; }), kInvalid) << "released and run";
  EXPECT_EQ(code([](StepFrame& step) { step.tokens[0] = -1; }), kInvalid);
  EXPECT_EQ(code([](StepFrame& step) { step.tokens[2] = 99; }), kInvalid);
  EXPECT_EQ(code([](StepFrame& step) { step.tokens.pop_back(); }), kInvalid);
  EXPECT_EQ(code([](StepFrame& step) { step.segments[1].rows = 0; }), kInvalid);
  EXPECT_EQ(code([](StepFrame& step) { step.segments[1].rows = ~0u; }), kInvalid);
  EXPECT_EQ(code([](StepFrame& step) { step.segments[1].pages = {}; }), kInvalid);
  EXPECT_EQ(code([](StepFrame& step) { step.segments[1].pages = {8}; }), kInvalid);
  EXPECT_EQ(code([](StepFrame& step) { step.segments[1].position = 64; }), kInvalid) << "no room";
  EXPECT_EQ(code([](StepFrame& step) { step.hidden = AlignedBuffer<float>(256); }), kInvalid);
  EXPECT_EQ(first->cache().sequences(), 1);
  EXPECT_EQ(first->cache().capacity(1), 64);
  EXPECT_EQ(first->cache().length(1), 2);
  EXPECT_EQ(code([](StepFrame&) {}), absl::StatusCode::kOk);

  const std::unique_ptr<Stage> last = Make({2, 5});
  EXPECT_EQ(last->Run(Step(1, 0, {5})).status().code(), kInvalid) << "no activations";
}

}  // namespace
}  // namespace tern
