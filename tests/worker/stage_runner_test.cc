// SPDX-License-Identifier: MIT
#include "worker/stage_runner.h"

#include <atomic>
#include <latch>
#include <memory>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/random_model.h"

namespace tern {
namespace {

using ::testing::ElementsAre;

// Keeps the numbers of what it is sent.
class Inbox {
 public:
  class Sender final : public FrameSender {
   public:
    explicit Sender(Inbox& inbox) : inbox_(inbox) {}
    void Send(Frame frame) override { inbox_.Put(std::get<StepFrame>(frame).step); }

   private:
    Inbox& inbox_;
  };

  void Put(uint64_t step) {
    MutexLock lock(mu_);
    steps_.push_back(step);
    changed_.NotifyAll();
  }
  // Waits until there are `count`.
  std::vector<uint64_t> Wait(size_t count) {
    MutexLock lock(mu_);
    while (steps_.size() < count) changed_.Wait(mu_);
    return steps_;
  }

 private:
  Mutex mu_;
  CondVar changed_;
  std::vector<uint64_t> steps_ ABSL_GUARDED_BY(mu_);
};

class StageRunnerTest : public ::testing::Test {
 protected:
  // The first of two stages.
  std::unique_ptr<StageRunner> MakeRunner(std::unique_ptr<FrameSender> next,
                                          std::function<void(absl::Status)> on_failure) {
    StageSpec spec;
    spec.epoch = 1;
    spec.config = config_;
    spec.layers = {0, 2};
    spec.kv_pages = 8;
    absl::StatusOr<std::unique_ptr<Stage>> stage =
        Stage::Create(spec, model_, kernels_, pool_.get());
    EXPECT_TRUE(stage.ok()) << stage.status();
    return std::make_unique<StageRunner>(*std::move(stage), std::move(next), std::move(on_failure));
  }

  static Frame Step(uint64_t number, uint64_t epoch = 1) {
    StepFrame step;
    step.epoch = epoch;
    step.step = number;
    step.segments.emplace_back();
    step.segments[0].sequence = number;
    step.segments[0].rows = 1;
    step.segments[0].pages = {static_cast<uint32_t>(number % 8)};
    step.tokens = {5};
    return step;
  }

  const ModelConfig config_ = SmallConfig();
  const RandomModel model_{config_, 1};
  const Kernels kernels_ = ChooseKernels("portable").value();
  const std::unique_ptr<ThreadPool> pool_ = ThreadPool::Create({}).value();
  Inbox inbox_;
};

TEST_F(StageRunnerTest, StepsGoOnInOrder) {
  const auto runner = MakeRunner(std::make_unique<Inbox::Sender>(inbox_),
                                 [](absl::Status status) { ADD_FAILURE() << status; });
  for (uint64_t number = 1; number <= 5; ++number) runner->Push(Step(number));
  EXPECT_THAT(inbox_.Wait(5), ElementsAre(1, 2, 3, 4, 5));
}

TEST_F(StageRunnerTest, TheFirstFailureIsToldOnceAndIsTheEnd) {
  std::vector<absl::Status> failures;
  std::latch failed(1);
  const auto runner = MakeRunner(std::make_unique<Inbox::Sender>(inbox_), [&](absl::Status status) {
    failures.push_back(std::move(status));
    failed.count_down();
  });
  runner->Push(Step(1));
  runner->Push(Step(2, /*epoch=*/9));
  runner->Push(Step(3));
  runner->Push(Step(4, /*epoch=*/9));
  failed.wait();
  runner->Push(Step(5));
  EXPECT_EQ(runner->steps_done(), 1);
  EXPECT_THAT(inbox_.Wait(1), ElementsAre(1));
  ASSERT_EQ(failures.size(), 1);
  EXPECT_EQ(failures[0].code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(StageRunnerTest, AResultIsAFailure) {
  std::latch failed(1);
  absl::Status failure;
  const auto runner = MakeRunner(std::make_unique<Inbox::Sender>(inbox_), [&](absl::Status status) {
    failure = std::move(status);
    failed.count_down();
  });
  runner->Push(ResultFrame{});
  failed.wait();
  EXPECT_EQ(failure.code(), absl::StatusCode::kInvalidArgument);
}

// A link that holds the runner back until it is let go.
class Gate final : public FrameSender {
 public:
  Gate(std::latch& entered, std::latch& leave, std::atomic<int>& sent)
      : entered_(entered), leave_(leave), sent_(sent) {}
  void Send(Frame) override {
    ++sent_;
    entered_.count_down();
    leave_.wait();
  }

 private:
  std::latch& entered_;
  std::latch& leave_;
  std::atomic<int>& sent_;
};

TEST_F(StageRunnerTest, TheStepAtWorkCountsAsQueued) {
  std::latch entered(1), leave(1);
  std::atomic<int> sent{0};
  auto runner = MakeRunner(std::make_unique<Gate>(entered, leave, sent),
                           [](absl::Status status) { ADD_FAILURE() << status; });
  for (uint64_t number = 1; number <= 3; ++number) runner->Push(Step(number));
  entered.wait();
  EXPECT_EQ(runner->steps_queued(), 3) << "a stuck step must not look like no work";
  EXPECT_EQ(runner->steps_done(), 0);
  leave.count_down();
  runner.reset();
  EXPECT_GE(sent, 1) << "the step at work is finished; those queued may be dropped";
}

}  // namespace
}  // namespace tern
