// SPDX-License-Identifier: MIT
// Links over MPI, from a process to itself: a job of one rank needs no launcher.
#include "cluster/mpi_transport.h"

#include <memory>
#include <utility>
#include <variant>

#include "gtest/gtest.h"
#include "tests/support/frame_limits.h"
#include "tests/support/inbox.h"

namespace tern {
namespace {

StepFrame MakeStep(uint64_t number) {
  StepFrame step;
  step.epoch = kLimits.epoch;
  step.step = number;
  Segment& segment = step.segments.emplace_back();
  segment.sequence = number;
  segment.rows = 2;
  step.tokens = {3, 4};
  step.hidden = AlignedBuffer<float>(2 * kLimits.dim);
  for (size_t i = 0; i < step.hidden.size(); ++i) step.hidden[i] = static_cast<float>(number + i);
  return step;
}

class MpiTransportTest : public ::testing::Test {
 protected:
  // One in a process's life.
  static MpiWorld* world() {
    static const auto world = MpiWorld::Start(absl::Seconds(60)).value();
    return world.get();
  }

  // A link of this number. Each may be used once.
  std::unique_ptr<FrameSender> Connect(uint32_t link) {
    MpiTransport transport(world());
    return transport
        .Connect(MpiAddress(0, link), {.on_taken = [this](uint64_t n) { taken_.Put(n); }})
        .value();
  }
  std::unique_ptr<MpiFrameReceiver> Listen(uint32_t link) {
    return std::make_unique<MpiFrameReceiver>(
        world(), 0, link, [this](absl::Status status) { failures_.Put(std::move(status)); });
  }
  void Accept(MpiFrameReceiver& receiver) {
    receiver.Accept(kLimits, [this](Frame frame) { frames_.Put(std::move(frame)); });
  }

  Inbox<Frame> frames_;
  Inbox<absl::Status> failures_;
  Inbox<uint64_t> taken_;
};

TEST_F(MpiTransportTest, MoreFramesThanReceivesArriveInOrder) {
  const auto receiver = Listen(0);
  const auto sender = Connect(0);
  for (uint64_t i = 0; i < 50; ++i) sender->Send(MakeStep(i));  // before anybody receives
  Accept(*receiver);
  for (uint64_t i = 50; i < 500; ++i) sender->Send(MakeStep(i));
  frames_.WaitForSize(500);
  receiver->Refuse();
  for (uint64_t i = 0; i < 500; ++i) {
    const StepFrame& step = std::get<StepFrame>(frames_.items()[i]);
    EXPECT_EQ(step.step, i);
    EXPECT_EQ(step.hidden[5], static_cast<float>(i + 5));
  }
  EXPECT_EQ(failures_.size(), 0);
}

TEST_F(MpiTransportTest, TheSenderIsToldWhatWasTaken) {
  const auto receiver = Listen(1);
  const auto sender = Connect(1);
  Accept(*receiver);
  for (uint64_t i = 0; i < 3; ++i) sender->Send(MakeStep(i));
  frames_.WaitForSize(3);
  EXPECT_EQ(taken_.size(), 0);
  for (uint64_t i = 1; i <= 3; ++i) {
    receiver->Credit();
    taken_.WaitForSize(i);
    EXPECT_EQ(taken_.last(), i);
  }
}

TEST_F(MpiTransportTest, AFrameOfAnotherEpochEndsTheLink) {
  const auto receiver = Listen(2);
  const auto sender = Connect(2);
  Accept(*receiver);
  StepFrame other = MakeStep(1);
  other.epoch = 8;
  sender->Send(std::move(other));
  failures_.WaitForSize(1);
  EXPECT_EQ(failures_.last().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(frames_.size(), 0);
}

TEST_F(MpiTransportTest, AddressesNameARankThatIsThere) {
  MpiTransport transport(world());
  for (const char* address : {"", "1", "1/0", "-1/0", "0/x", "0/1/2"}) {
    EXPECT_EQ(transport.Connect(address, {}).status().code(), absl::StatusCode::kInvalidArgument)
        << address;
  }
}

}  // namespace
}  // namespace tern
