// SPDX-License-Identifier: MIT
// Real stages behind a real engine: what becomes of the memory on every stage, and of requests when
// a stage fails. That results are the same bits is tools/invariance.
#include "tools/local_cluster.h"

#include <latch>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/recorder.h"
#include "tests/support/tiny_model.h"

namespace tern {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<LocalCluster> Open(uint32_t stages, uint64_t kv_tokens = 0) {
  LocalClusterOptions options;
  options.stages = stages;
  options.kv_tokens = kv_tokens;
  absl::StatusOr<std::unique_ptr<LocalCluster>> cluster =
      LocalCluster::Open(TinyModelPath(), options);
  EXPECT_TRUE(cluster.ok()) << cluster.status();
  return *std::move(cluster);
}

GenerationRequest LongRequest(const LocalCluster& cluster) {
  GenerationRequest request;
  request.prompt = cluster.tokenizer().Encode("Once upon a time");
  request.max_tokens = 200;
  return request;
}

void ExpectNothingHeld(const LocalCluster& cluster) {
  for (size_t i = 0; i < cluster.stages(); ++i) {
    EXPECT_EQ(cluster.stage(i).cache().sequences(), 0) << "stage " << i;
  }
}

TEST(LocalClusterTest, TheEndOfARequestFreesItsCacheOnEveryStage) {
  const std::unique_ptr<LocalCluster> cluster = Open(3);
  const auto recorder = std::make_shared<Recorder>();
  cluster->engine().Submit(LongRequest(*cluster), recorder);
  EXPECT_EQ(recorder->Wait().tokens.size(), 200);
  EXPECT_TRUE(cluster->engine().WaitIdle(absl::InfiniteDuration()));
  ExpectNothingHeld(*cluster);
}

// Cancelled after its third token, deterministically: the listener runs on the engine's thread,
// and the next step goes out after it.
TEST(LocalClusterTest, CancelInMidStreamFreesTheCacheOnEveryStage) {
  const std::unique_ptr<LocalCluster> cluster = Open(3);
  Engine& engine = cluster->engine();
  RequestId id = 0;
  std::latch id_known(1);
  const auto recorder = std::make_shared<Recorder>([&](size_t tokens) {
    if (tokens != 3) return;
    id_known.wait();
    engine.Cancel(id);
  });
  id = engine.Submit(LongRequest(*cluster), recorder);
  id_known.count_down();
  const Outcome outcome = recorder->Wait();
  EXPECT_EQ(outcome.reason, FinishReason::kCancelled);
  EXPECT_EQ(outcome.tokens.size(), 3);
  EXPECT_TRUE(engine.WaitIdle(absl::InfiniteDuration()));
  ExpectNothingHeld(*cluster);
  EXPECT_EQ(engine.stats().free_kv_pages, engine.stats().kv_pages);
}

TEST(LocalClusterTest, CancelInMidPromptFreesTheCacheOnEveryStage) {
  const std::unique_ptr<LocalCluster> cluster = Open(5);
  const auto recorder = std::make_shared<Recorder>();
  GenerationRequest request = LongRequest(*cluster);
  request.prompt.assign(250, 1);
  request.max_tokens = 1;
  const RequestId id = cluster->engine().Submit(std::move(request), recorder);
  cluster->engine().Cancel(id);
  const Outcome outcome = recorder->Wait();  // it may have been fast
  EXPECT_TRUE(outcome.reason == FinishReason::kCancelled ||
              outcome.reason == FinishReason::kLength);
  EXPECT_TRUE(cluster->engine().WaitIdle(absl::InfiniteDuration()));
  ExpectNothingHeld(*cluster);
}

// A stage fails (it is sent a step of a plan that is not): every request, running or waiting for
// pages, ends once with UNAVAILABLE, and so do new ones.
TEST(LocalClusterTest, AFailingStageEndsEveryRequestOnce) {
  const std::unique_ptr<LocalCluster> cluster = Open(3);  // pages for one long request
  Engine& engine = cluster->engine();
  const auto stage1 = cluster->transport().Connect("stage 1", {});
  ASSERT_TRUE(stage1.ok()) << stage1.status();
  std::vector<std::shared_ptr<Recorder>> recorders;
  recorders.push_back(std::make_shared<Recorder>([&](size_t tokens) {
    if (tokens != 3) return;
    StepFrame wrong;
    wrong.epoch = 99;
    (*stage1)->Send(std::move(wrong));
  }));
  for (int i = 0; i < 3; ++i) recorders.push_back(std::make_shared<Recorder>());
  for (const auto& recorder : recorders) engine.Submit(LongRequest(*cluster), recorder);
  for (const auto& recorder : recorders) recorder->Wait();
  recorders.push_back(std::make_shared<Recorder>());
  engine.Submit(LongRequest(*cluster), recorders.back());
  EXPECT_TRUE(engine.WaitIdle(absl::InfiniteDuration()));
  for (const auto& recorder : recorders) {
    const Outcome outcome = recorder->Now();
    EXPECT_EQ(outcome.finished, 1);
    EXPECT_EQ(outcome.reason, FinishReason::kError);
    EXPECT_EQ(outcome.status.code(), absl::StatusCode::kUnavailable) << outcome.status;
    EXPECT_THAT(std::string(outcome.status.message()), HasSubstr("stage 1"));
  }
  EXPECT_LT(recorders[0]->Now().tokens.size(), 200);
  EXPECT_FALSE(engine.stats().pipeline_up);
}

TEST(LocalClusterTest, ItsEndCancelsRequests) {
  std::unique_ptr<LocalCluster> cluster = Open(2);
  std::vector<std::shared_ptr<Recorder>> recorders;
  std::latch begun(1);
  recorders.push_back(std::make_shared<Recorder>([&](size_t tokens) {
    if (tokens == 1) begun.count_down();
  }));
  for (int i = 0; i < 3; ++i) recorders.push_back(std::make_shared<Recorder>());
  for (const auto& recorder : recorders) {
    cluster->engine().Submit(LongRequest(*cluster), recorder);
  }
  begun.wait();
  cluster.reset();
  for (const auto& recorder : recorders) EXPECT_EQ(recorder->Now().finished, 1);
  EXPECT_EQ(recorders.back()->Now().reason, FinishReason::kCancelled);
}

TEST(LocalClusterTest, ManyRequestsShareTheCache) {
  const std::unique_ptr<LocalCluster> cluster = Open(3, 600);
  std::vector<std::shared_ptr<Recorder>> recorders;
  for (uint32_t i = 0; i < 20; ++i) {
    recorders.push_back(std::make_shared<Recorder>());
    GenerationRequest request = LongRequest(*cluster);
    request.prompt.resize(1 + i);
    request.max_tokens = 1 + 3 * i;
    cluster->engine().Submit(std::move(request), recorders.back());
  }
  for (uint32_t i = 0; i < 20; ++i) {
    const Outcome outcome = recorders[i]->Wait();
    EXPECT_TRUE(outcome.status.ok()) << outcome.status;
    EXPECT_EQ(outcome.tokens.size(), 1 + 3 * i);
  }
  EXPECT_TRUE(cluster->engine().WaitIdle(absl::InfiniteDuration()));
  ExpectNothingHeld(*cluster);
}

GenerationRequest SampledRequest(const LocalCluster& cluster, const std::string& prompt,
                                 uint64_t seed) {
  GenerationRequest request;
  request.prompt = cluster.tokenizer().Encode(prompt);
  request.max_tokens = 150;
  request.sampling = {.temperature = 1, .repetition_penalty = 1.2f, .seed = seed};
  return request;
}

std::vector<TokenId> TokensOf(LocalCluster& cluster, GenerationRequest request) {
  const auto recorder = std::make_shared<Recorder>();
  cluster.engine().Submit(std::move(request), recorder);
  return recorder->Wait().tokens;
}

// They want several times the pages there are: what they are made to give up is computed anew, to
// the same tokens.
TEST(LocalClusterTest, PreemptedRequestsGoOnWhereTheyWere) {
  const std::unique_ptr<LocalCluster> alone = Open(1), cluster = Open(2, 256);
  std::vector<std::shared_ptr<Recorder>> recorders;
  const auto request = [&](uint64_t i) {
    return SampledRequest(*cluster, "Once upon a time " + std::string(5 * i, 'x'), i);
  };
  for (uint64_t i = 0; i < 5; ++i) {
    recorders.push_back(std::make_shared<Recorder>());
    cluster->engine().Submit(request(i), recorders.back());
  }
  for (uint64_t i = 0; i < 5; ++i) {
    const Outcome outcome = recorders[i]->Wait();
    EXPECT_TRUE(outcome.status.ok()) << outcome.status;
    EXPECT_EQ(outcome.tokens, TokensOf(*alone, request(i))) << "request " << i;
  }
  EXPECT_TRUE(cluster->engine().WaitIdle(absl::InfiniteDuration()));
  EXPECT_GT(cluster->engine().stats().preemptions, 0);
  ExpectNothingHeld(*cluster);
}

TEST(LocalClusterTest, SamplesAreTheRequestsOfTheirSeeds) {
  class Listener final : public GenerationListener {
   public:
    void OnToken(const GeneratedToken& token) override {
      tokens[token.sample].push_back(token.sampled.chosen.token);
    }
    void OnFinish(FinishReason, const std::string&, const absl::Status& status,
                  const GenerationStats&) override {
      EXPECT_TRUE(status.ok()) << status;
    }
    std::vector<TokenId> tokens[3];
  };
  const std::unique_ptr<LocalCluster> alone = Open(1), cluster = Open(2, 1000);
  const auto listener = std::make_shared<Listener>();
  const std::string prompt = "Once upon a time there were many who said the same thing";
  GenerationRequest request = SampledRequest(*cluster, prompt, 7);
  const size_t prompt_tokens = request.prompt.size();
  ASSERT_GT(prompt_tokens, kKvPageTokens);
  request.samples = 3;
  cluster->engine().Submit(std::move(request), listener);
  EXPECT_TRUE(cluster->engine().WaitIdle(absl::InfiniteDuration()));
  for (uint32_t i = 0; i < 3; ++i) {
    EXPECT_EQ(listener->tokens[i], TokensOf(*alone, SampledRequest(*cluster, prompt, 7 + i)));
  }
  EXPECT_EQ(cluster->engine().stats().admitted_tokens, 3 * prompt_tokens);
  EXPECT_EQ(cluster->engine().stats().shared_tokens,
            2 * ((prompt_tokens - 1) / kKvPageTokens * kKvPageTokens));
}

TEST(LocalClusterTest, RefusesOptionsThatDoNotFitTheModel) {
  const auto code = [](const LocalClusterOptions& options) {
    return LocalCluster::Open(TinyModelPath(), options).status().code();
  };
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  LocalClusterOptions options;
  options.stages = 0;
  EXPECT_EQ(code(options), kInvalid);
  options.stages = 6;
  EXPECT_EQ(code(options), kInvalid) << "five layers";
  options.stages = 2;
  for (const std::vector<uint32_t>& layers : std::vector<std::vector<uint32_t>>{
           {5}, {5, 0}, {0, 5}, {2, 2}, {3, 3}, {1, 0xFFFFFFFF}, {1, 2, 2}}) {
    options.layers = layers;
    EXPECT_EQ(code(options), kInvalid);
  }
  options.layers.clear();
  options.threads = 0;
  EXPECT_EQ(code(options), kInvalid);
  options.threads = 1;
  options.isa = "abacus";
  EXPECT_EQ(code(options), kInvalid);
  options.isa.clear();
  options.prefill_chunk = 0;
  EXPECT_EQ(code(options), kInvalid);
  EXPECT_EQ(LocalCluster::Open("/no/such/model.gguf", {}).status().code(),
            absl::StatusCode::kNotFound);
}

TEST(LocalClusterTest, ASmallerContextEndsRequestsEarlierAndChangesNoToken) {
  const auto generate = [](uint32_t context) {
    LocalClusterOptions options;
    options.context = context;
    const auto cluster = LocalCluster::Open(TinyModelPath(), options).value();
    EXPECT_EQ(cluster->stage(0).cache().pages(), KvPagesFor(cluster->config().context));
    const auto recorder = std::make_shared<Recorder>();
    cluster->engine().Submit(LongRequest(*cluster), recorder);
    return recorder->Wait();
  };
  const Outcome all = generate(0);
  const Outcome some = generate(64);
  EXPECT_EQ(some.reason, FinishReason::kLength);
  ASSERT_LT(some.tokens.size(), 64u);
  ASSERT_GT(some.tokens.size(), 32u);
  EXPECT_TRUE(std::equal(some.tokens.begin(), some.tokens.end(), all.tokens.begin()));
}

TEST(LocalClusterTest, LoadingTellsItsProgress) {
  LocalClusterOptions options;
  options.stages = 3;
  std::vector<float> shares;
  options.progress = [&](float share) { shares.push_back(share); };
  ASSERT_TRUE(LocalCluster::Open(TinyModelPath(), options).ok());
  ASSERT_FALSE(shares.empty());
  EXPECT_TRUE(std::is_sorted(shares.begin(), shares.end()));
  EXPECT_EQ(shares.back(), 1);
}

}  // namespace
}  // namespace tern
