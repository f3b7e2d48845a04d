// SPDX-License-Identifier: MIT
#include "partition/simulator.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "gtest/gtest.h"
#include "partition/planner.h"
#include "partition/prediction.h"
#include "tests/partition/random_cluster.h"

namespace tern {
namespace {

constexpr LengthDistribution Exactly(uint32_t tokens) {
  return {LengthDistribution::Kind::kUniform, tokens, tokens, 1};
}
constexpr LengthDistribution Between(uint32_t low, uint32_t high) {
  return {LengthDistribution::Kind::kUniform, low, high, 1};
}

// A cluster and its plan. Attention costs nothing, so that a step's time depends on its rows alone.
struct Planned {
  Planned(const ModelConfig& config, ClusterProfile cluster, PlanOptions options)
      : costs(CostModel::Create(config, WithoutAttention(std::move(cluster)), options).value()),
        plan(MakePlan(costs).value()) {}

  std::vector<Replica> Replicas(size_t count) const {
    return std::vector<Replica>(count, {&costs, &plan});
  }

  static ClusterProfile WithoutAttention(ClusterProfile cluster) {
    for (WorkerProfile& worker : cluster.workers) {
      worker.speed.attention = 1e-9;
      worker.speed.read_bytes_per_second = 1e18;
    }
    return cluster;
  }

  const CostModel costs;
  const Plan plan;
};

PlanOptions ForStreams(uint32_t streams) {
  PlanOptions options;
  options.use_all = true;
  options.streams = streams;
  options.kv_tokens = uint64_t{streams} * 4096;
  return options;
}

void ExpectNear(double found, double want, double share) {
  EXPECT_NEAR(found / want, 1, share) << "found " << found << ", want " << want;
}

// One stream, one stage: a chunk of the prompt, then a step for every other token.
TEST(SimulatorTest, ASingleRequestTakesTheSumOfItsSteps) {
  const Planned planned(BitNet2B(30), ClusterOf({10}), ForStreams(1));
  SimulationOptions options;
  options.requests = 1;
  options.streams = 1;
  options.prompt = Exactly(64);
  options.output = Exactly(10);
  const SimulationResult result = Simulate(planned.Replicas(1), options).value();
  const auto seconds = [&](uint32_t rows) {
    StepShape step;
    planned.costs.AddRows(0, rows, 1, step);
    return planned.costs.Seconds(planned.costs.Price(0, step), {0, 30});
  };
  ExpectNear(result.mean_first_token_seconds, seconds(64), 1e-6);
  ExpectNear(result.between_tokens_seconds.p50, seconds(1), 1e-6);
  ExpectNear(result.seconds, seconds(64) + 9 * seconds(1), 1e-6);
  EXPECT_EQ(result.steps, 10);
  EXPECT_NEAR(result.stage_busy[0], 1, 1e-9);
}

// Clients that always wait for an answer keep the pipeline full: the bottleneck sets the pace.
TEST(SimulatorTest, AClosedLoopRunsAtThePaceOfTheBottleneck) {
  for (const uint32_t workers : {1u, 2u, 3u, 5u}) {
    SCOPED_TRACE(workers);
    std::vector<double> speeds(workers, 10.0);
    speeds.front() = 7;
    const uint32_t streams = 8 * workers;
    const Planned planned(SmallHead(30), ClusterOf(speeds), ForStreams(streams));
    SimulationOptions options;
    options.requests = 20 * streams;
    options.streams = streams;
    options.prompt = Exactly(1);
    options.output = Between(300, 500);
    const SimulationResult result = Simulate(planned.Replicas(1), options).value();
    const Prediction predicted = Predict(planned.costs, planned.plan, 1, 64);
    ExpectNear(result.tokens_per_second, predicted.tokens_per_second, 0.03);
    for (size_t stage = 0; stage < workers; ++stage) {
      ExpectNear(result.stage_busy[stage], predicted.stages[stage].busy, 0.08);
    }
  }
}

// A slow link in the middle is a bottleneck like any stage.
TEST(SimulatorTest, ALinkSendsOneStepAfterTheOther) {
  ClusterProfile cluster = ClusterOf({10, 10});
  const double bytes = 16 * 2560 * 4.0;
  cluster.pairs = {{0, 1, {bytes / 0.5, 0.01}}, {1, 0, {bytes / 0.5, 0.01}}};
  const Planned planned(SmallHead(10), cluster, ForStreams(32));
  SimulationOptions options;
  options.requests = 320;
  options.streams = 32;
  options.prompt = Exactly(1);
  options.output = Between(50, 70);
  const SimulationResult result = Simulate(planned.Replicas(1), options).value();
  ExpectNear(result.tokens_per_second, 16 / 0.5, 0.03);
  EXPECT_GT(result.link_busy[0], 0.95);
}

// Room for one request at a time makes an M/D/1 queue: random arrivals, one server, a fixed time
// of service. Waiting takes load / (2 (1 - load)) of it on average.
TEST(SimulatorTest, RandomArrivalsWaitAsInAnMD1Queue) {
  const Planned planned(SmallHead(10), ClusterOf({10}), ForStreams(1));
  StepShape prompt;
  planned.costs.AddRows(0, 4095, 1, prompt);
  const double service = planned.costs.Seconds(planned.costs.Price(0, prompt), {0, 10});
  for (const double load : {0.3, 0.6, 0.8}) {
    SCOPED_TRACE(load);
    SimulationOptions options;
    options.seed = 5;
    options.requests = 200'000;
    options.arrivals_per_second = load / service;
    options.prompt = Exactly(4095);
    options.output = Exactly(1);
    options.prefill_chunk = options.max_rows = 4096;
    const SimulationResult result = Simulate(planned.Replicas(1), options).value();
    const double waiting = result.mean_first_token_seconds - service;
    ExpectNear(waiting, service * load / (2 * (1 - load)), 0.03);
    ExpectNear(result.stage_busy[0], load, 0.02);
  }
}

TEST(SimulatorTest, EveryRequestEndsOnceWithAllItsTokens) {
  std::mt19937 rng(29);
  for (int round = 0; round < 60; ++round) {
    SCOPED_TRACE(round);
    const ModelConfig config = SmallHead(4 + rng() % 20);
    const uint32_t streams = 1 + rng() % 20;
    PlanOptions plan_options;
    plan_options.streams = streams;
    plan_options.kv_tokens = 4096 + rng() % 20000;
    const Planned planned(config, ClusterOf(std::vector<double>(1 + rng() % 4, 10.0)),
                          plan_options);
    SimulationOptions options;
    options.seed = rng();
    options.requests = 1 + rng() % 200;
    options.streams = streams;
    options.arrivals_per_second = rng() % 2 == 0 ? 0 : Uniform(rng, 0.1, 20);
    const auto prompt = static_cast<uint32_t>(1 + rng() % 600);
    const auto output = static_cast<uint32_t>(1 + rng() % 50);
    options.prompt = Exactly(prompt);
    options.output = Exactly(output);
    options.jitter = Uniform(rng, 0, 0.9);
    options.steps_in_flight = rng() % 6;
    options.prefill_chunk = 1 + rng() % 128;
    options.max_rows = 1 + rng() % 256;
    const SimulationResult result = Simulate(planned.Replicas(1 + rng() % 4), options).value();
    EXPECT_EQ(result.finished, options.requests);
    EXPECT_EQ(result.prompt_tokens, uint64_t{options.requests} * prompt);
    EXPECT_EQ(result.output_tokens, uint64_t{options.requests} * output);
    for (const double busy : result.stage_busy) EXPECT_LE(busy, 1 + 1e-9);
  }
}

TEST(SimulatorTest, LengthsAreAsWishedAndFitTheContext) {
  const Planned planned(SmallHead(4), ClusterOf({10}), ForStreams(16));
  SimulationOptions options;
  options.requests = 5000;
  options.streams = 16;
  options.prompt = {LengthDistribution::Kind::kExponential, 1, 1, 200};
  options.output = Between(10, 20);
  const SimulationResult result = Simulate(planned.Replicas(1), options).value();
  ExpectNear(static_cast<double>(result.prompt_tokens) / 5000, 200.5, 0.05);
  ExpectNear(static_cast<double>(result.output_tokens) / 5000, 15, 0.02);
  options.prompt = Exactly(1'000'000);
  options.output = Exactly(1'000'000);
  options.requests = 3;
  EXPECT_EQ(Simulate(planned.Replicas(1), options)->prompt_tokens, 3 * 4095);
  EXPECT_EQ(Simulate(planned.Replicas(1), options)->output_tokens, 3);
}

TEST(SimulatorTest, TheSeedDecidesEverything) {
  const Planned planned(SmallHead(12), ClusterOf({10, 5}), ForStreams(8));
  SimulationOptions options;
  options.requests = 300;
  options.arrivals_per_second = 2;
  options.prompt = Between(1, 300);
  options.output = Between(1, 60);
  options.jitter = 0.2;
  const auto run = [&] { return Simulate(planned.Replicas(2), options).value(); };
  const SimulationResult once = run(), again = run();
  EXPECT_EQ(once.seconds, again.seconds);
  EXPECT_EQ(once.tokens_per_second, again.tokens_per_second);
  EXPECT_EQ(once.between_tokens_seconds.p99, again.between_tokens_seconds.p99);
  EXPECT_EQ(once.stage_busy, again.stage_busy);
  options.seed = 2;
  EXPECT_NE(once.seconds, run().seconds);
}

TEST(SimulatorTest, ReplicasShareTheLoad) {
  const Planned planned(SmallHead(12), ClusterOf({10, 10}), ForStreams(8));
  SimulationOptions options;
  options.requests = 400;
  options.prompt = Exactly(1);
  options.output = Between(100, 200);
  options.streams = 8;
  const double one = Simulate(planned.Replicas(1), options)->tokens_per_second;
  options.streams = 80;
  options.requests = 4000;
  ExpectNear(Simulate(planned.Replicas(10), options)->tokens_per_second, 10 * one, 0.03);
}

// 1,000 workers: a smoke test of size; the time of it is in docs/planning.md.
TEST(SimulatorTest, AThousandWorkers) {
  const Planned planned(SmallHead(24), ClusterOf(std::vector<double>(4, 10.0)), ForStreams(16));
  SimulationOptions options;
  options.requests = 8000;
  options.streams = 4000;
  options.prompt = Between(16, 256);
  options.output = Between(16, 64);
  options.jitter = 0.1;
  const SimulationResult result = Simulate(planned.Replicas(250), options).value();
  EXPECT_EQ(result.finished, 8000);
}

TEST(SimulatorTest, RefusesOptionsThatCannotBe) {
  const Planned planned(SmallHead(4), ClusterOf({10}), ForStreams(1));
  const auto code = [&](auto change) {
    SimulationOptions options;
    change(options);
    return Simulate(planned.Replicas(1), options).status().code();
  };
  EXPECT_EQ(code([](SimulationOptions&) {}), absl::StatusCode::kOk);
  const auto refused = absl::StatusCode::kInvalidArgument;
  EXPECT_EQ(code([](auto& options) { options.jitter = 1; }), refused);
  EXPECT_EQ(code([](auto& options) { options.requests = 0; }), refused);
  EXPECT_EQ(code([](auto& options) { options.arrivals_per_second = -1; }), refused);
  EXPECT_EQ(code([](auto& options) { options.prompt = Between(0, 5); }), refused);
  EXPECT_EQ(code([](auto& options) { options.output = Between(5, 4); }), refused);
}

}  // namespace
}  // namespace tern
