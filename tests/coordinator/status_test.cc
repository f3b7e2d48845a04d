// SPDX-License-Identifier: MIT
// What people are told of a cluster: how busy it is, who does what, and what became of requests.
#include "coordinator/status.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "coordinator/load_meter.h"
#include "coordinator/request_recorder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tern {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

constexpr WorkerId kFirst = 7;
constexpr WorkerId kSecond = 9;

Pipeline TwoStages(uint64_t epoch) {
  Pipeline pipeline;
  pipeline.epoch = epoch;
  pipeline.stages.resize(2);
  pipeline.stages[0].worker = kFirst;
  pipeline.stages[1].worker = kSecond;
  return pipeline;
}

Heartbeat Busy(uint64_t epoch, double seconds) {
  return {epoch, /*steps_done=*/1, /*steps_queued=*/0, absl::Seconds(seconds)};
}

absl::Time At(double seconds) { return absl::UnixEpoch() + absl::Seconds(seconds); }

TEST(LoadMeterTest, BubbleIsTheShareOfTheWorkingTimeThatStagesStoodStill) {
  LoadMeter meter;
  const Pipeline pipeline = TwoStages(3);
  meter.Hear(kFirst, Busy(3, 1));
  meter.Hear(kSecond, Busy(3, 1));
  meter.Sample(At(100), pipeline, absl::Seconds(50));
  EXPECT_FALSE(meter.load().bubble.has_value());  // no time has passed
  meter.Hear(kFirst, Busy(3, 4));                 // 3 of 4 seconds
  meter.Hear(kSecond, Busy(3, 2));                // 1 of 4
  meter.Sample(At(108), pipeline, absl::Seconds(54));
  EXPECT_DOUBLE_EQ(meter.load().bubble.value(), 0.5);
  EXPECT_THAT(meter.load().busy, ElementsAre(Pair(kFirst, 0.75), Pair(kSecond, 0.25)));
}

TEST(LoadMeterTest, ForgetsWhatIsOlderThanTenSecondsAndOtherEpochs) {
  LoadMeter meter;
  meter.Hear(kFirst, Busy(3, 0));
  meter.Hear(kSecond, Busy(3, 0));
  for (int second = 0; second <= 20; ++second) {
    // All the first ten seconds busy, none of those that follow.
    meter.Hear(kFirst, Busy(3, std::min(second, 10)));
    meter.Hear(kSecond, Busy(3, std::min(second, 10)));
    meter.Sample(At(second), TwoStages(3), absl::Seconds(second));
  }
  EXPECT_DOUBLE_EQ(meter.load().bubble.value(), 1);
  meter.Sample(At(21), TwoStages(4), absl::Seconds(21));  // heartbeats are still of epoch 3
  EXPECT_FALSE(meter.load().bubble.has_value());
  meter.Hear(kFirst, Busy(4, 1));
  meter.Sample(At(22), TwoStages(4), absl::Seconds(22));
  EXPECT_DOUBLE_EQ(meter.load().bubble.value(), 0.5);
  meter.Forget(kFirst);
  EXPECT_THAT(meter.load().heartbeats, ElementsAre(Pair(kSecond, ::testing::_)));
}

WorkerView Worker(WorkerId id, LayerRange layers, bool draining = false) {
  WorkerView view;
  view.id = id;
  view.layers = layers;
  view.draining = draining;
  return view;
}

TEST(StatusTest, SaysWhatEachWorkerDoes) {
  ClusterView view;
  view.workers = {Worker(kFirst, {0, 3}), Worker(kSecond, {3, 5}, /*draining=*/true),
                  Worker(11, {}), Worker(12, {})};
  view.workers[3].fetching = true;
  ClusterLoad load;
  load.heartbeats[kFirst] = Busy(3, 1);
  load.busy[kFirst] = 0.75;
  load.bubble = 0.25;
  ClusterStatus up;
  FillCluster(TwoStages(3), view, load, up);
  ASSERT_EQ(up.workers.size(), 4);
  EXPECT_EQ(up.workers[0].state, WorkerState::kServing);
  EXPECT_EQ(up.workers[0].heartbeat.steps_done, 1);
  EXPECT_EQ(up.workers[0].busy, 0.75);
  EXPECT_EQ(up.workers[1].state, WorkerState::kDraining);
  EXPECT_EQ(up.workers[1].busy, std::nullopt);
  EXPECT_EQ(up.workers[2].state, WorkerState::kSpare);
  EXPECT_EQ(up.workers[3].state, WorkerState::kFetching);
  EXPECT_STREQ(WorkerStateName(up.workers[3].state), "fetching");
  EXPECT_EQ(up.bubble, 0.25);

  ClusterStatus down;
  FillCluster(std::nullopt, view, load, down);
  EXPECT_EQ(down.workers[0].state, WorkerState::kLoading);
  EXPECT_EQ(down.bubble, std::nullopt);
}

class CountingListener final : public GenerationListener {
 public:
  void OnToken(const GeneratedToken&) override { ++tokens; }
  void OnFinish(FinishReason, const std::string&, const absl::Status&,
                const GenerationStats&) override {
    ++ends;
  }
  int tokens = 0;
  int ends = 0;
};

TEST(RequestRecorderTest, CountsTokensOfAllSamplesAndHowRequestsEnd) {
  RequestRecorder recorder;
  GenerationRequest request;
  request.prompt = {1, 2, 3};
  request.samples = 2;
  const auto client = std::make_shared<CountingListener>();
  const auto listener = recorder.Begin({"id", "here"}, request, client);
  GeneratedToken token;
  for (const uint32_t sample : {0u, 1u, 0u, 0u}) {
    token.sample = sample;
    listener->OnToken(token);
  }
  listener->OnSampleFinish(FinishReason::kStop, "", {});
  listener->OnFinish(FinishReason::kLength, "", absl::OkStatus(), {});
  EXPECT_EQ(client->tokens, 4);
  EXPECT_EQ(client->ends, 1);
  recorder.Begin({"lost", "here"}, request, client)
      ->OnFinish(FinishReason::kError, "", absl::UnavailableError("a worker was lost"), {});
  recorder.Refuse({"bad", "here"}, absl::InvalidArgumentError("no prompt"));

  RequestRecorder::Counts counts = recorder.counts();
  EXPECT_EQ(counts.prompt_tokens, 6);
  EXPECT_EQ(counts.generated_tokens, 4);
  EXPECT_EQ(counts.to_first_token.count(), 1);
  EXPECT_EQ(counts.between_tokens.count(), 2);  // of the first sample
  EXPECT_EQ(counts.total.count(), 2);
  EXPECT_EQ(counts.ended["length"], 1);
  EXPECT_EQ(counts.ended["unavailable"], 1);
  EXPECT_EQ(counts.ended["invalid_argument"], 1);
  EXPECT_EQ(counts.ended["stop"], 0);
}

}  // namespace
}  // namespace tern
