// SPDX-License-Identifier: MIT
#include "cluster/inproc_transport.h"

#include <atomic>
#include <latch>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tern {
namespace {

using ::testing::ElementsAre;

Frame Step(uint64_t number) {
  StepFrame step;
  step.step = number;
  return step;
}

uint64_t NumberOf(const Frame& frame) { return std::get<StepFrame>(frame).step; }

TEST(InprocTransportTest, FramesArriveInOrderWithoutACopy) {
  InprocTransport transport;
  std::vector<uint64_t> numbers;
  const float* received = nullptr;
  auto listener = transport.Listen("stage 1", [&](Frame frame) {
    numbers.push_back(NumberOf(frame));
    received = std::get<StepFrame>(frame).hidden.data();
  });
  ASSERT_TRUE(listener.ok()) << listener.status();
  auto sender = transport.Connect("stage 1", {});
  ASSERT_TRUE(sender.ok()) << sender.status();
  (*sender)->Send(Step(1));
  (*sender)->Send(Step(2));
  StepFrame step;
  step.step = 3;
  step.hidden = AlignedBuffer<float>(8);
  const float* sent = step.hidden.data();
  (*sender)->Send(std::move(step));
  EXPECT_THAT(numbers, ElementsAre(1, 2, 3));
  EXPECT_EQ(received, sent);
}

TEST(InprocTransportTest, NobodyListening) {
  InprocTransport transport;
  EXPECT_EQ(transport.Connect("stage 1", {}).status().code(), absl::StatusCode::kUnavailable);
  auto listener = transport.Listen("stage 1", [](Frame) {});
  ASSERT_TRUE(listener.ok());
  EXPECT_EQ(transport.Listen("stage 1", [](Frame) {}).status().code(),
            absl::StatusCode::kAlreadyExists);
  listener->reset();
  EXPECT_EQ(transport.Connect("stage 1", {}).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(transport.Listen("stage 1", [](Frame) {}).ok()) << "the address is free again";
}

TEST(InprocTransportTest, AClosedListenerFailsTheLinkOnce) {
  InprocTransport transport;
  int delivered = 0;
  auto listener = transport.Listen("stage 1", [&](Frame) { ++delivered; });
  ASSERT_TRUE(listener.ok());
  std::vector<absl::Status> failures;
  auto sender = transport.Connect(
      "stage 1", {.on_failure = [&](absl::Status status) { failures.push_back(status); }});
  ASSERT_TRUE(sender.ok());
  (*sender)->Send(Step(1));
  listener->reset();
  EXPECT_TRUE(failures.empty());
  (*sender)->Send(Step(2));
  (*sender)->Send(Step(3));
  EXPECT_EQ(delivered, 1);
  ASSERT_EQ(failures.size(), 1);
  EXPECT_EQ(failures[0].code(), absl::StatusCode::kUnavailable);
}

TEST(InprocTransportTest, ABrokenLinkStaysBrokenWhenTheAddressIsTakenAgain) {
  InprocTransport transport;
  auto first = transport.Listen("stage 1", [](Frame) {});
  auto sender = transport.Connect("stage 1", {});
  ASSERT_TRUE(first.ok() && sender.ok());
  first->reset();
  int delivered = 0;
  auto second = transport.Listen("stage 1", [&](Frame) { ++delivered; });
  ASSERT_TRUE(second.ok());
  (*sender)->Send(Step(1));
  EXPECT_EQ(delivered, 0);
}

TEST(InprocTransportTest, EachSenderIsToldWhatWasTakenOfItsOwn) {
  InprocTransport transport;
  auto listener = transport.Listen("stage 1", [](Frame) {});
  std::vector<uint64_t> first, second;
  auto a = transport.Connect("stage 1", {.on_taken = [&](uint64_t n) { first.push_back(n); }});
  auto b = transport.Connect("stage 1", {.on_taken = [&](uint64_t n) { second.push_back(n); }});
  ASSERT_TRUE(a.ok() && b.ok());
  transport.Credit("stage 1");  // nothing was sent
  (*a)->Send(Step(1));
  (*b)->Send(Step(1));
  (*a)->Send(Step(2));
  (*a)->Send(Step(3));
  for (int i = 0; i < 3; ++i) transport.Credit("stage 1");
  EXPECT_THAT(first, ElementsAre(1, 2));
  EXPECT_THAT(second, ElementsAre(1));
  a->reset();
  transport.Credit("stage 1");
  EXPECT_THAT(first, ElementsAre(1, 2)) << "it is gone";
}

// Closing waits for the handler: nothing it uses is touched afterwards.
TEST(InprocTransportTest, CloseWaitsForTheHandler) {
  InprocTransport transport;
  std::latch entered(1), leave(1);
  std::atomic<bool> left{false};
  auto listener = transport.Listen("stage 1", [&](Frame) {
    entered.count_down();
    leave.wait();
    left = true;
  });
  ASSERT_TRUE(listener.ok());
  auto sender = transport.Connect("stage 1", {});
  ASSERT_TRUE(sender.ok());
  std::thread sending([&] { (*sender)->Send(Step(1)); });
  entered.wait();
  std::thread closing([&] {
    listener->reset();
    EXPECT_TRUE(left);
  });
  leave.count_down();
  closing.join();
  sending.join();
}

// For thread sanitizer: senders and a closing listener at once; each sender hears of it once.
TEST(InprocTransportTest, ManySendersAndACloseAtOnce) {
  constexpr int kSenders = 4;
  InprocTransport transport;
  std::atomic<int> delivered{0}, failed{0};
  auto listener = transport.Listen("stage 1", [&](Frame) { ++delivered; });
  ASSERT_TRUE(listener.ok());
  std::latch sent_some(kSenders);
  std::vector<std::thread> threads;
  for (int i = 0; i < kSenders; ++i) {
    threads.emplace_back([&] {
      bool broken = false;
      auto sender = transport.Connect("stage 1", {.on_failure = [&](absl::Status) {
                                        broken = true;
                                        ++failed;
                                      }});
      if (sender.ok()) (*sender)->Send(Step(1));
      sent_some.count_down();
      while (sender.ok() && !broken) (*sender)->Send(Step(2));
    });
  }
  sent_some.wait();
  listener->reset();
  const int after_close = delivered;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(delivered, after_close);
  EXPECT_EQ(failed, kSenders);
}

}  // namespace
}  // namespace tern
