// SPDX-License-Identifier: MIT
// What every link between processes does, whatever carries it. Instantiated with a type that
// receives while it lives:
//
//   explicit Receiver(LinkSessions& sessions);
//   std::string address() const;
//   static absl::StatusOr<std::unique_ptr<FrameSender>> Connect(
//       const std::string& address, uint64_t epoch, LinkEvents events);
#ifndef TERN_TESTS_CLUSTER_LINK_TESTS_H_
#define TERN_TESTS_CLUSTER_LINK_TESTS_H_

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "cluster/link_sessions.h"
#include "cluster/transport.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/frame_limits.h"
#include "tests/support/inbox.h"

namespace tern {

inline StepFrame MakeStep(uint64_t number, const FrameLimits& limits, uint32_t rows) {
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

inline bool IsStep(const Frame& frame, const StepFrame& sent) {
  const auto* step = std::get_if<StepFrame>(&frame);
  return step != nullptr && step->step == sent.step && step->tokens == sent.tokens &&
         std::equal(step->hidden.begin(), step->hidden.end(), sent.hidden.begin(),
                    sent.hidden.end());
}

template <typename Receiver>
class LinkTest : public ::testing::Test {
 protected:
  LinkTest() : receiver_(std::in_place, sessions_), address_(receiver_->address()) {}

  void Shutdown() { receiver_.reset(); }

  void Accept(const FrameLimits& limits = kLimits) {
    sessions_.Accept(limits, [this](Frame frame) { frames_.Put(std::move(frame)); });
  }

  absl::StatusOr<std::unique_ptr<FrameSender>> Connect(uint64_t epoch = kLimits.epoch) {
    return Receiver::Connect(
        address_, epoch,
        {.on_failure = [this](absl::Status status) { failures_.Put(std::move(status)); },
         .on_taken = [this](uint64_t frames) { taken_.Put(frames); }});
  }

  Inbox<Frame> frames_;
  Inbox<absl::Status> failures_;
  Inbox<uint64_t> taken_;
  LinkSessions sessions_;
  std::optional<Receiver> receiver_;
  const std::string address_;
};
TYPED_TEST_SUITE_P(LinkTest);

TYPED_TEST_P(LinkTest, FramesArriveInOrderEachOnce) {
  this->Accept();
  {
    auto sender = this->Connect();
    ASSERT_TRUE(sender.ok()) << sender.status();
    for (uint64_t i = 0; i < 500; ++i) (*sender)->Send(MakeStep(i, kLimits, 1 + i % 16));
    this->frames_.WaitForSize(500);
  }
  this->sessions_.Refuse();
  ASSERT_EQ(this->frames_.items().size(), 500);
  for (uint64_t i = 0; i < 500; ++i) {
    EXPECT_TRUE(IsStep(this->frames_.items()[i], MakeStep(i, kLimits, 1 + i % 16))) << i;
  }
  EXPECT_TRUE(this->failures_.items().empty());  // closing the link is no failure
}

// Larger than what a socket holds, and than what gRPC takes unless told: they go piece by piece.
TYPED_TEST_P(LinkTest, LargeFramesArriveWhole) {
  FrameLimits limits = kLimits;
  limits.dim = 8192;
  limits.context = 4096;
  limits.max_rows = 256;
  this->Accept(limits);
  auto sender = this->Connect();
  ASSERT_TRUE(sender.ok()) << sender.status();
  for (uint64_t i = 0; i < 3; ++i) (*sender)->Send(MakeStep(i, limits, 256));  // 8 MiB each
  this->frames_.WaitForSize(3);
  sender->reset();
  for (uint64_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(IsStep(this->frames_.items()[i], MakeStep(i, limits, 256))) << i;
  }
}

TYPED_TEST_P(LinkTest, OnlyThePreparedEpochIsAccepted) {
  const absl::Status nothing = this->Connect().status();
  EXPECT_EQ(nothing.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(nothing.ToString(), ::testing::HasSubstr("no stage"));
  this->Accept();
  const absl::Status other = this->Connect(6).status();
  EXPECT_EQ(other.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(other.ToString(), ::testing::HasSubstr("epoch: found 6, want 7"));
  EXPECT_TRUE(this->Connect(7).ok());
  EXPECT_TRUE(this->failures_.items().empty());  // Connect's error is told once
}

TYPED_TEST_P(LinkTest, LinksOfAnOlderSessionAreRefusedEvenIfTheEpochIsTheSame) {
  this->Accept();
  auto old = this->Connect();
  ASSERT_TRUE(old.ok()) << old.status();
  this->Accept();  // e.g. for another coordinator, which counts epochs from 1 again
  (*old)->Send(MakeStep(1, kLimits, 1));
  this->failures_.WaitForSize(1);
  EXPECT_EQ(this->failures_.items()[0].code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(this->failures_.items()[0].ToString(), ::testing::HasSubstr("epoch 7 is over"));
  EXPECT_TRUE(this->frames_.items().empty());
}

TYPED_TEST_P(LinkTest, FramesBeyondTheWindowWaitForCredits) {
  FrameLimits limits = kLimits;
  limits.window = 2;
  this->Accept(limits);
  auto sender = this->Connect();
  ASSERT_TRUE(sender.ok()) << sender.status();
  for (uint64_t i = 0; i < 5; ++i) (*sender)->Send(MakeStep(i, kLimits, 1));
  this->frames_.WaitForSize(2);
  this->sessions_.Credit();
  this->taken_.WaitForSize(1);
  this->frames_.WaitForSize(3);
  EXPECT_EQ(this->frames_.size(), 3) << "the fourth waits for the second to be taken";
  this->sessions_.Credit();
  this->sessions_.Credit();
  this->frames_.WaitForSize(5);
  this->sessions_.Credit();
  this->sessions_.Credit();
  this->sessions_.Credit();  // one too many does nothing
  // Credits may be told together; the last number is that of all frames.
  for (size_t told = 1; this->taken_.last() != 5;) this->taken_.WaitForSize(++told);
  sender->reset();
  EXPECT_TRUE(std::is_sorted(this->taken_.items().begin(), this->taken_.items().end()));
  EXPECT_TRUE(this->failures_.items().empty());
}

TYPED_TEST_P(LinkTest, AFrameBeyondThePlanEndsTheLink) {
  this->Accept();
  auto sender = this->Connect();
  ASSERT_TRUE(sender.ok()) << sender.status();
  (*sender)->Send(MakeStep(1, kLimits, kLimits.max_rows + 1));
  this->failures_.WaitForSize(1);
  EXPECT_EQ(this->failures_.items()[0].code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(this->frames_.items().empty());
  (*sender)->Send(MakeStep(2, kLimits, 1));  // dropped
}

TYPED_TEST_P(LinkTest, NobodyThereIsUnavailable) {
  this->Shutdown();
  const absl::Status status = this->Connect().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.ToString(), ::testing::HasSubstr(this->address_));
}

TYPED_TEST_P(LinkTest, AReceiverThatEndsIsAFailureToldOnce) {
  this->Accept();
  auto sender = this->Connect();
  ASSERT_TRUE(sender.ok()) << sender.status();
  this->Shutdown();
  this->failures_.WaitForSize(1);
  (*sender)->Send(MakeStep(1, kLimits, 1));
  sender->reset();
  EXPECT_EQ(this->failures_.items().size(), 1);
  EXPECT_THAT(this->failures_.items()[0].ToString(), ::testing::HasSubstr(this->address_));
}

TYPED_TEST_P(LinkTest, ClosingWithFramesStillQueuedIsQuick) {
  this->Accept();
  auto sender = this->Connect();
  ASSERT_TRUE(sender.ok()) << sender.status();
  for (uint64_t i = 0; i < 1000; ++i) (*sender)->Send(MakeStep(i, kLimits, 16));
  sender->reset();
  this->sessions_.Refuse();
  EXPECT_LE(this->frames_.items().size(), 1000);
  EXPECT_TRUE(this->failures_.items().empty());
}

TYPED_TEST_P(LinkTest, AfterRefuseNoHandlerRuns) {
  for (int round = 0; round < 20; ++round) {
    auto handled = std::make_unique<int>(0);
    this->sessions_.Accept(kLimits, [&](Frame) { ++*handled; });
    auto sender = this->Connect();
    ASSERT_TRUE(sender.ok()) << sender.status();
    for (uint64_t i = 0; i < 50; ++i) (*sender)->Send(MakeStep(i, kLimits, 1));
    this->sessions_.Refuse();
    handled.reset();  // a handler that still ran would crash here
  }
}

REGISTER_TYPED_TEST_SUITE_P(LinkTest, FramesArriveInOrderEachOnce, LargeFramesArriveWhole,
                            OnlyThePreparedEpochIsAccepted,
                            LinksOfAnOlderSessionAreRefusedEvenIfTheEpochIsTheSame,
                            FramesBeyondTheWindowWaitForCredits, AFrameBeyondThePlanEndsTheLink,
                            NobodyThereIsUnavailable, AReceiverThatEndsIsAFailureToldOnce,
                            ClosingWithFramesStillQueuedIsQuick, AfterRefuseNoHandlerRuns);

}  // namespace tern

#endif  // TERN_TESTS_CLUSTER_LINK_TESTS_H_
