// SPDX-License-Identifier: MIT
// Links over real gRPC connections, on ports that the system chooses.
#include "cluster/grpc_transport.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/impl/service_type.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cluster/grpc_util.h"
#include "cluster/messages.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/frame_limits.h"
#include "tests/support/inbox.h"

namespace tern {
namespace {

using ::testing::HasSubstr;

StepFrame MakeStep(uint64_t number, const FrameLimits& limits, uint32_t rows) {
  StepFrame step;
  step.epoch = limits.epoch;
  step.step = number;
  step.segments.push_back(
      {.sequence = number, .position = 0, .rows = rows, .pages = {0, 1}, .sampling = {}});
  for (uint32_t i = 0; i < rows; ++i) step.tokens.push_back(static_cast<TokenId>(i % 100));
  step.hidden = AlignedBuffer<float>(size_t{rows} * limits.dim);
  for (size_t i = 0; i < step.hidden.size(); ++i) {
    step.hidden[i] = static_cast<float>(number * 31 + i);
  }
  return step;
}

class GrpcTransportTest : public ::testing::Test {
 protected:
  GrpcTransportTest() {
    auto listening = Listen({"127.0.0.1", 0}, {receiver_.service()});
    EXPECT_TRUE(listening.ok()) << listening.status();
    address_ = listening->address;
    server_ = std::move(listening->server);
  }
  ~GrpcTransportTest() override { Shutdown(); }

  void Shutdown() {
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
    server_ = nullptr;
  }

  void Accept(const FrameLimits& limits = kLimits) {
    receiver_.Accept(limits, [this](Frame frame) { frames_.Put(std::move(frame)); });
  }

  absl::StatusOr<std::unique_ptr<FrameSender>> Connect(uint64_t epoch = kLimits.epoch) {
    GrpcTransport transport(epoch);
    return transport.Connect(
        address_.ToString(),
        {.on_failure = [this](absl::Status status) { failures_.Put(std::move(status)); },
         .on_taken = [this](uint64_t frames) { taken_.Put(frames); }});
  }

  Inbox<Frame> frames_;
  Inbox<absl::Status> failures_;
  Inbox<uint64_t> taken_;
  GrpcFrameReceiver receiver_;
  Address address_;
  std::unique_ptr<grpc::Server> server_;
};

TEST_F(GrpcTransportTest, FramesArriveInOrderEachOnce) {
  Accept();
  {
    auto sender = Connect();
    ASSERT_TRUE(sender.ok()) << sender.status();
    for (uint64_t i = 0; i < 500; ++i) (*sender)->Send(MakeStep(i, kLimits, 1 + i % 16));
    frames_.WaitForSize(500);
  }
  receiver_.Refuse();
  ASSERT_EQ(frames_.items().size(), 500);
  for (uint64_t i = 0; i < 500; ++i) {
    const StepFrame& step = std::get<StepFrame>(frames_.items()[i]);
    const StepFrame sent = MakeStep(i, kLimits, 1 + i % 16);
    EXPECT_EQ(step.step, i);
    EXPECT_EQ(step.tokens, sent.tokens);
    EXPECT_TRUE(
        std::equal(step.hidden.begin(), step.hidden.end(), sent.hidden.begin(), sent.hidden.end()));
  }
  EXPECT_TRUE(failures_.items().empty());  // closing the link is no failure
}

TEST_F(GrpcTransportTest, AFrameMayBeLargerThanGrpcAllowsByDefault) {
  FrameLimits limits = kLimits;
  limits.dim = 8192;
  limits.context = 4096;
  limits.max_rows = 256;
  Accept(limits);
  auto sender = Connect();
  ASSERT_TRUE(sender.ok()) << sender.status();
  (*sender)->Send(MakeStep(1, limits, 256));  // 8 MiB of activations
  frames_.WaitForSize(1);
}

TEST_F(GrpcTransportTest, OnlyThePreparedEpochIsAccepted) {
  const absl::Status nothing = Connect().status();
  EXPECT_EQ(nothing.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(nothing.ToString(), HasSubstr("no stage"));
  Accept();
  const absl::Status other = Connect(6).status();
  EXPECT_EQ(other.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(other.ToString(), HasSubstr("tern-epoch: found 6, want 7"));
  EXPECT_TRUE(Connect(7).ok());
  EXPECT_TRUE(failures_.items().empty());  // Connect's error is told once
}

TEST_F(GrpcTransportTest, LinksOfAnOlderSessionAreRefusedEvenIfTheEpochIsTheSame) {
  Accept();
  auto old = Connect();
  ASSERT_TRUE(old.ok()) << old.status();
  Accept();  // e.g. for another coordinator, which counts epochs from 1 again
  (*old)->Send(MakeStep(1, kLimits, 1));
  failures_.WaitForSize(1);
  EXPECT_EQ(failures_.items()[0].code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(failures_.items()[0].ToString(), HasSubstr("epoch 7 is over"));
  EXPECT_TRUE(frames_.items().empty());
}

TEST_F(GrpcTransportTest, FramesBeyondTheWindowWaitForCredits) {
  FrameLimits limits = kLimits;
  limits.window = 2;
  Accept(limits);
  auto sender = Connect();
  ASSERT_TRUE(sender.ok()) << sender.status();
  for (uint64_t i = 0; i < 5; ++i) (*sender)->Send(MakeStep(i, kLimits, 1));
  frames_.WaitForSize(2);
  receiver_.Credit();
  taken_.WaitForSize(1);
  frames_.WaitForSize(3);
  EXPECT_EQ(frames_.size(), 3) << "the fourth waits for the second to be taken";
  receiver_.Credit();
  receiver_.Credit();
  frames_.WaitForSize(5);
  receiver_.Credit();
  receiver_.Credit();
  receiver_.Credit();  // one too many does nothing
  // Credits may be told together; the last number is that of all frames.
  for (size_t told = 1; taken_.last() != 5;) taken_.WaitForSize(++told);
  sender->reset();
  EXPECT_TRUE(std::is_sorted(taken_.items().begin(), taken_.items().end()));
  EXPECT_TRUE(failures_.items().empty());
}

TEST_F(GrpcTransportTest, AFrameBeyondThePlanEndsTheLink) {
  Accept();
  auto sender = Connect();
  ASSERT_TRUE(sender.ok()) << sender.status();
  (*sender)->Send(MakeStep(1, kLimits, kLimits.max_rows + 1));
  failures_.WaitForSize(1);
  EXPECT_EQ(failures_.items()[0].code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(frames_.items().empty());
  (*sender)->Send(MakeStep(2, kLimits, 1));  // dropped
}

TEST_F(GrpcTransportTest, NobodyThereIsUnavailable) {
  Shutdown();
  const absl::Status status = Connect().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.ToString(), HasSubstr(address_.ToString()));
}

TEST_F(GrpcTransportTest, AReceiverThatEndsIsAFailureToldOnce) {
  Accept();
  auto sender = Connect();
  ASSERT_TRUE(sender.ok()) << sender.status();
  Shutdown();
  failures_.WaitForSize(1);
  (*sender)->Send(MakeStep(1, kLimits, 1));
  sender->reset();
  EXPECT_EQ(failures_.items().size(), 1);
  EXPECT_THAT(failures_.items()[0].ToString(), HasSubstr(address_.ToString()));
}

TEST_F(GrpcTransportTest, ClosingWithFramesStillQueuedIsQuick) {
  Accept();
  auto sender = Connect();
  ASSERT_TRUE(sender.ok()) << sender.status();
  for (uint64_t i = 0; i < 1000; ++i) (*sender)->Send(MakeStep(i, kLimits, 16));
  sender->reset();
  receiver_.Refuse();
  EXPECT_LE(frames_.items().size(), 1000);
  EXPECT_TRUE(failures_.items().empty());
}

TEST_F(GrpcTransportTest, AfterRefuseNoHandlerRuns) {
  for (int round = 0; round < 20; ++round) {
    auto handled = std::make_unique<int>(0);
    receiver_.Accept(kLimits, [&](Frame) { ++*handled; });
    auto sender = Connect();
    ASSERT_TRUE(sender.ok()) << sender.status();
    for (uint64_t i = 0; i < 50; ++i) (*sender)->Send(MakeStep(i, kLimits, 1));
    receiver_.Refuse();
    handled.reset();  // a handler that still ran would crash here
  }
}

// A peer that knows the method but not the protocol.
grpc::Status SendRaw(const Address& address, const std::string& protocol,
                     const std::string& message) {
  grpc::GenericStub stub(ConnectTo(address.ToString()));
  grpc::ClientContext context;
  context.AddMetadata("tern-epoch", "7");
  context.AddMetadata("tern-protocol", protocol);
  grpc::CompletionQueue queue;
  const auto stream = stub.PrepareCall(&context, "/tern.v1.Stage/Link", &queue);
  void* tag = nullptr;
  bool ok = false;
  stream->StartCall(nullptr);
  queue.Next(&tag, &ok);
  const grpc::Slice slice(message);
  stream->Write(grpc::ByteBuffer(&slice, 1), nullptr);
  queue.Next(&tag, &ok);
  grpc::Status status;
  stream->Finish(&status, nullptr);
  queue.Next(&tag, &ok);
  return status;
}

TEST_F(GrpcTransportTest, PeersThatSpeakNonsenseAreToldSo) {
  Accept();
  const std::string ours = absl::StrCat(kProtocolVersion);
  const std::string other = absl::StrCat(kProtocolVersion + 1);
  EXPECT_EQ(SendRaw(address_, ours, "no frame").error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_EQ(SendRaw(address_, ours, "").error_code(), grpc::StatusCode::DATA_LOSS);
  const grpc::Status version = SendRaw(address_, other, "no frame");
  EXPECT_EQ(version.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(version.error_message(),
              HasSubstr(absl::StrCat("tern-protocol: found ", other, ", want ", ours)));
  EXPECT_EQ(SendRaw(address_, "one", "no frame").error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_TRUE(frames_.items().empty());
}

TEST(GrpcUtilTest, APortInUseIsAnErrorWithTheReason) {
  GrpcFrameReceiver first;
  GrpcFrameReceiver second;
  auto listening = Listen({"127.0.0.1", 0}, {first.service()});
  ASSERT_TRUE(listening.ok()) << listening.status();
  const auto again = Listen(listening->address, {second.service()});
  EXPECT_EQ(again.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(again.status().ToString(), HasSubstr("in use"));
  EXPECT_THAT(again.status().ToString(), HasSubstr(listening->address.ToString()));
  listening->server->Shutdown();
}

}  // namespace
}  // namespace tern
