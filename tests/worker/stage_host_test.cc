// SPDX-License-Identifier: MIT
// A worker's part of installing a plan, without a network.
#include "worker/stage_host.h"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cluster/inproc_transport.h"
#include "cluster/manifest.h"
#include "formats/gguf.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/gguf_config.h"
#include "tests/support/tiny_model.h"

namespace tern {
namespace {

using ::testing::HasSubstr;

class FakeReceiver final : public FrameReceiver {
 public:
  void Accept(const FrameLimits& limits, FrameHandler handler) override {
    MutexLock lock(mu_);
    limits_ = limits;
    handler_ = std::move(handler);
  }
  void Refuse() override {
    MutexLock lock(mu_);
    limits_.reset();
    handler_ = nullptr;
  }

  void Credit() override {
    MutexLock lock(mu_);
    ++credits_;
  }

  int credits() {
    MutexLock lock(mu_);
    return credits_;
  }
  std::optional<FrameLimits> limits() {
    MutexLock lock(mu_);
    return limits_;
  }
  void Receive(Frame frame) {
    FrameHandler handler;
    {
      MutexLock lock(mu_);
      handler = handler_;
    }
    ASSERT_TRUE(handler != nullptr);
    handler(std::move(frame));
  }

 private:
  Mutex mu_;
  std::optional<FrameLimits> limits_ ABSL_GUARDED_BY(mu_);
  FrameHandler handler_ ABSL_GUARDED_BY(mu_);
  int credits_ ABSL_GUARDED_BY(mu_) = 0;
};

// A transport that others own.
class BorrowedTransport final : public Transport {
 public:
  explicit BorrowedTransport(Transport& transport) : transport_(transport) {}
  absl::StatusOr<std::unique_ptr<FrameSender>> Connect(const std::string& address,
                                                       LinkEvents events) override {
    return transport_.Connect(address, std::move(events));
  }

 private:
  Transport& transport_;
};

class StageHostTest : public ::testing::Test {
 protected:
  StageHostTest() {
    pool_ = *ThreadPool::Create({.threads = 1, .cpus = {}});
    file_ = *GgufFile::Open(TinyModelPath());
    manifest_ = *BuildManifest(*ReadModelConfig(*file_, *file_), *file_);
    results_ = *transport_.Listen("coordinator", [this](Frame frame) {
      MutexLock lock(mu_);
      frames_.push_back(std::move(frame));
      changed_.NotifyAll();
    });
    StageHostOptions options{
        .kernels = *ChooseKernels(),
        .pool = pool_.get(),
        .receiver = &receiver_,
        .make_transport =
            [this](uint64_t, WireType) { return std::make_unique<BorrowedTransport>(transport_); },
        .coordinator_address = "coordinator",
        .model_path = TinyModelPath(),
        .cache_directory = ::testing::TempDir() + "tern-no-cache",
        .fetch = [](const std::string&, const std::string&, uint64_t,
                    const ByteSink&) { return absl::NotFoundError("nothing to fetch from"); }};
    host_ = std::make_unique<StageHost>(options, [this](WorkerMessage message) {
      if (std::holds_alternative<LoadProgress>(message)) return;
      MutexLock lock(mu_);
      reports_.push_back(std::move(message));
      changed_.NotifyAll();
    });
  }
  ~StageHostTest() override { host_.reset(); }

  // The whole model as one stage.
  PrepareStage Order(uint64_t epoch) {
    return {.epoch = epoch,
            .config = manifest_.config,
            .model_digest = manifest_.digest,
            .rope_digest = RopeDigest(manifest_.config),
            .tensors = manifest_.tensors,
            .model_path = "",
            .layers = {0, manifest_.config.layers},
            .stage = 0,
            .stages = 1,
            .next_address = "",
            .next_unix_address = "",
            .kv_type = KvType::kF16,
            .kv_pages = 8,
            .max_rows = 16};
  }

  // The next thing the coordinator is told, apart from progress.
  WorkerMessage NextReport() {
    MutexLock lock(mu_);
    while (reports_.empty()) changed_.Wait(mu_);
    WorkerMessage report = std::move(reports_.front());
    reports_.pop_front();
    return report;
  }
  Frame NextFrame() {
    MutexLock lock(mu_);
    while (frames_.empty()) changed_.Wait(mu_);
    Frame frame = std::move(frames_.front());
    frames_.pop_front();
    return frame;
  }

  static StepFrame Step(uint64_t epoch, uint64_t number) {
    StepFrame step;
    step.epoch = epoch;
    step.step = number;
    step.segments.push_back({.sequence = number,
                             .position = 0,
                             .rows = 2,
                             .pages = {0},
                             .sample = true,
                             .sampling = {}});
    step.tokens = {1, 2};
    return step;
  }

  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<GgufFile> file_;
  ModelManifest manifest_;
  InprocTransport transport_;
  FakeReceiver receiver_;

  Mutex mu_;
  CondVar changed_;
  std::deque<WorkerMessage> reports_ ABSL_GUARDED_BY(mu_);
  std::deque<Frame> frames_ ABSL_GUARDED_BY(mu_);

  std::unique_ptr<InprocTransport::Listener> results_;
  std::unique_ptr<StageHost> host_;
};

TEST_F(StageHostTest, PreparesCommitsComputesAndAbandons) {
  EXPECT_EQ(host_->heartbeat().epoch, 0);
  host_->Handle(Order(3));
  const StageReady ready = std::get<StageReady>(NextReport());
  EXPECT_EQ(ready.epoch, 3);
  EXPECT_EQ(ready.model_digest, manifest_.digest);
  EXPECT_EQ(ready.rope_digest, RopeDigest(manifest_.config));
  EXPECT_EQ(ready.bytes_fetched, 0);
  // Links may be opened before the stage commits.
  ASSERT_TRUE(receiver_.limits().has_value());
  EXPECT_EQ(receiver_.limits()->epoch, 3);
  EXPECT_FALSE(receiver_.limits()->expect_hidden);

  host_->Handle(CommitStage{3});
  EXPECT_EQ(std::get<StageCommitted>(NextReport()).epoch, 3);
  receiver_.Receive(Step(3, 1));
  const ResultFrame result = std::get<ResultFrame>(NextFrame());
  EXPECT_EQ(result.step, 1);
  EXPECT_EQ(result.results.size(), 1);
  EXPECT_EQ(receiver_.credits(), 1);
  EXPECT_EQ(host_->heartbeat().epoch, 3);

  host_->Handle(AbandonStage{3, "a test"});
  host_->Handle(Order(4));  // its answer shows that the abandoning is done
  EXPECT_EQ(std::get<StageReady>(NextReport()).epoch, 4);
  EXPECT_EQ(receiver_.limits()->epoch, 4);
}

TEST_F(StageHostTest, ANewOrderReplacesWhatIsThere) {
  host_->Handle(Order(1));
  host_->Handle(CommitStage{1});
  host_->Handle(Order(2));
  EXPECT_EQ(std::get<StageReady>(NextReport()).epoch, 1);
  EXPECT_EQ(std::get<StageCommitted>(NextReport()).epoch, 1);
  EXPECT_EQ(std::get<StageReady>(NextReport()).epoch, 2);
  EXPECT_EQ(host_->heartbeat().epoch, 2);
}

TEST_F(StageHostTest, TheSameLayersKeepTheirWeights) {
  host_->Handle(Order(1));
  host_->Handle(CommitStage{1});
  EXPECT_EQ(std::get<StageReady>(NextReport()).epoch, 1);
  EXPECT_EQ(std::get<StageCommitted>(NextReport()).epoch, 1);
  receiver_.Receive(Step(1, 1));
  const ResultFrame before = std::get<ResultFrame>(NextFrame());
  host_->Handle(AbandonStage{1, "a test"});
  // Weights that are nowhere: they would fail the stage if they were looked for.
  PrepareStage order = Order(2);
  order.tensors[3].sha256 = std::string(64, 'a');
  host_->Handle(order);
  host_->Handle(CommitStage{2});
  EXPECT_EQ(std::get<StageReady>(NextReport()).epoch, 2);
  EXPECT_EQ(std::get<StageCommitted>(NextReport()).epoch, 2);
  receiver_.Receive(Step(2, 1));
  const ResultFrame after = std::get<ResultFrame>(NextFrame());
  ASSERT_EQ(after.results.size(), 1u);
  EXPECT_EQ(after.results[0].sampled.chosen.token, before.results[0].sampled.chosen.token);
  // Of another range they are.
  host_->Handle(AbandonStage{2, "a test"});
  order.epoch = 3;
  order.layers = {0, 2};
  order.stages = 2;
  order.next_address = "stage 1";
  host_->Handle(order);
  EXPECT_EQ(std::get<StageFailed>(NextReport()).epoch, 3);
}

TEST_F(StageHostTest, WeightsOfANextStageAreFetchedWhileThePresentOneServes) {
  host_->Handle(Order(1));
  host_->Handle(CommitStage{1});
  EXPECT_EQ(std::get<StageReady>(NextReport()).epoch, 1);
  EXPECT_EQ(std::get<StageCommitted>(NextReport()).epoch, 1);
  host_->Handle(PrefetchStage{Order(2)});
  const StagePrefetched fetched = std::get<StagePrefetched>(NextReport());
  EXPECT_EQ(fetched.epoch, 2);
  EXPECT_TRUE(fetched.status.ok()) << fetched.status;
  PrefetchStage missing{Order(3)};
  missing.stage.tensors[3].sha256 = std::string(64, 'a');
  host_->Handle(missing);
  EXPECT_EQ(std::get<StagePrefetched>(NextReport()).status.code(), absl::StatusCode::kNotFound);
  receiver_.Receive(Step(1, 1));
  EXPECT_EQ(std::get<ResultFrame>(NextFrame()).results.size(), 1u);
}

TEST_F(StageHostTest, ASpareHasTheWeightsOfItsNextStageInMemory) {
  host_->Handle(PrefetchStage{Order(1)});
  EXPECT_TRUE(std::get<StagePrefetched>(NextReport()).status.ok());
  // They would fail the stage if they were looked for now.
  PrepareStage order = Order(1);
  order.tensors[3].sha256 = std::string(64, 'a');
  host_->Handle(order);
  host_->Handle(CommitStage{1});
  EXPECT_EQ(std::get<StageReady>(NextReport()).epoch, 1);
  EXPECT_EQ(std::get<StageCommitted>(NextReport()).epoch, 1);
  receiver_.Receive(Step(1, 1));
  EXPECT_EQ(std::get<ResultFrame>(NextFrame()).results.size(), 1u);
}

TEST_F(StageHostTest, ACommitOfAnotherEpochIsIgnored) {
  host_->Handle(CommitStage{1});
  host_->Handle(Order(2));
  host_->Handle(CommitStage{1});
  host_->Handle(Order(3));
  EXPECT_EQ(std::get<StageReady>(NextReport()).epoch, 2);
  EXPECT_EQ(std::get<StageReady>(NextReport()).epoch, 3);
}

TEST_F(StageHostTest, WhatIsAbandonedBeforeItsTurnIsNotLoaded) {
  host_->Handle(Order(1));
  host_->Handle(AbandonStage{1, "a test"});
  host_->Handle(Order(2));
  // Epoch 1 may have been loaded before it was abandoned; it does not fail, in any case.
  WorkerMessage report = NextReport();
  if (std::get<StageReady>(report).epoch == 1) report = NextReport();
  EXPECT_EQ(std::get<StageReady>(report).epoch, 2);
}

TEST_F(StageHostTest, WeightsThatAreNowhereFailTheStage) {
  PrepareStage order = Order(1);
  order.tensors[3].sha256 = std::string(64, 'a');
  host_->Handle(order);
  const StageFailed failed = std::get<StageFailed>(NextReport());
  EXPECT_EQ(failed.epoch, 1);
  EXPECT_EQ(failed.status.code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(receiver_.limits().has_value());
}

TEST_F(StageHostTest, ANextStageThatIsNotThereFailsTheStage) {
  results_.reset();
  host_->Handle(Order(1));
  host_->Handle(CommitStage{1});
  EXPECT_EQ(std::get<StageReady>(NextReport()).epoch, 1);
  EXPECT_EQ(std::get<StageFailed>(NextReport()).status.code(), absl::StatusCode::kUnavailable);
}

TEST_F(StageHostTest, AStepThatCannotBeFailsTheStage) {
  host_->Handle(Order(1));
  host_->Handle(CommitStage{1});
  EXPECT_EQ(std::get<StageReady>(NextReport()).epoch, 1);
  EXPECT_EQ(std::get<StageCommitted>(NextReport()).epoch, 1);
  receiver_.Receive(ResultFrame{1, 1, {}});
  EXPECT_EQ(std::get<StageFailed>(NextReport()).epoch, 1);
}

TEST_F(StageHostTest, AFrameBeforeTheCommitFailsTheStage) {
  host_->Handle(Order(1));
  EXPECT_EQ(std::get<StageReady>(NextReport()).epoch, 1);
  receiver_.Receive(Step(1, 1));
  EXPECT_THAT(std::get<StageFailed>(NextReport()).status.ToString(),
              HasSubstr("before the stage committed"));
}

}  // namespace
}  // namespace tern
