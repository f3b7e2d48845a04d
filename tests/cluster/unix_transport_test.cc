// SPDX-License-Identifier: MIT
#include "cluster/unix_transport.h"

#include <sys/socket.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "cluster/inproc_transport.h"
#include "cluster/messages.h"
#include "cluster/unix_link.h"
#include "cluster/unix_receiver.h"
#include "cluster/unix_socket.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cluster/link_tests.h"
#include "tests/support/frame_limits.h"
#include "tests/support/inbox.h"

namespace tern {
namespace {

using ::testing::HasSubstr;

class UnixEnd {
 public:
  explicit UnixEnd(LinkSessions& sessions) : receiver_(UnixReceiver::Start(sessions).value()) {}

  std::string address() const { return receiver_->address(); }
  static absl::StatusOr<std::unique_ptr<FrameSender>> Connect(const std::string& address,
                                                              uint64_t epoch, LinkEvents events) {
    return UnixTransport(epoch).Connect(address, std::move(events));
  }

 private:
  const std::unique_ptr<UnixReceiver> receiver_;
};

}  // namespace

INSTANTIATE_TYPED_TEST_SUITE_P(Unix, LinkTest, UnixEnd);

namespace {

class UnixReceiverTest : public ::testing::Test {
 protected:
  UnixReceiverTest() {
    sessions_.Accept(kLimits, [this](Frame frame) { frames_.Put(std::move(frame)); });
  }

  // What the receiver says last to a peer that sends these bytes.
  absl::Status Answer(const std::string& bytes) const {
    const Descriptor socket = ConnectUnix(receiver_->address()).value();
    EXPECT_EQ(send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), bytes.size());
    shutdown(socket.get(), SHUT_WR);
    absl::StatusOr<LinkNotice> notice = ReadNotice(socket.get());
    while (notice.ok()) notice = ReadNotice(socket.get());
    return notice.status();
  }

  static std::string Opening(LinkOpening opening) {
    std::string bytes(sizeof(opening), '\0');
    std::memcpy(bytes.data(), &opening, sizeof(opening));
    return bytes;
  }

  static std::string Length(FrameLength length) {
    std::string bytes(sizeof(length), '\0');
    std::memcpy(bytes.data(), &length, sizeof(length));
    return bytes;
  }

  Inbox<Frame> frames_;
  LinkSessions sessions_;
  const std::unique_ptr<UnixReceiver> receiver_ = UnixReceiver::Start(sessions_).value();
};

TEST_F(UnixReceiverTest, PeersThatSpeakNonsenseAreToldSo) {
  const std::string opening = Opening({.protocol = kProtocolVersion, .epoch = kLimits.epoch});
  const std::string other = Opening({.protocol = kProtocolVersion + 1, .epoch = kLimits.epoch});
  EXPECT_THAT(Answer("GET / HTTP/1.1\r\n\r\n").ToString(), HasSubstr("DATA_LOSS"));
  EXPECT_THAT(Answer(other).ToString(), HasSubstr("FAILED_PRECONDITION: link refused: protocol"));
  EXPECT_THAT(Answer(opening + Length(8) + "no frame").ToString(), HasSubstr("DATA_LOSS"));
  EXPECT_THAT(Answer(opening + Length(0)).ToString(), HasSubstr("DATA_LOSS"));
  EXPECT_THAT(Answer(opening + Length(kMaxFrameBytes + 1)).ToString(),
              HasSubstr("INVALID_ARGUMENT: frame: found"));
  // Whoever ends in the middle is no error to anybody.
  EXPECT_THAT(Answer(opening + Length(1000) + "half").ToString(), HasSubstr("UNAVAILABLE"));
  EXPECT_THAT(Answer("").ToString(), HasSubstr("UNAVAILABLE"));
  EXPECT_TRUE(frames_.items().empty());
}

TEST_F(UnixReceiverTest, ManyLinksComeAndGo) {
  for (uint64_t i = 0; i < 100; ++i) {
    auto sender = UnixTransport(kLimits.epoch).Connect(receiver_->address(), {});
    ASSERT_TRUE(sender.ok()) << sender.status();
    (*sender)->Send(MakeStep(i, kLimits, 1));
    frames_.WaitForSize(i + 1);
  }
}

// What a receiver may say that is none.
void ExpectBroken(const LinkNotice& notice) {
  const std::string address = NewUnixAddress().value();
  const Descriptor listener = ListenUnix(address, 1).value();
  Inbox<absl::Status> failures;
  std::thread peer([&] {
    const Descriptor socket(accept(listener.get(), nullptr, nullptr));
    LinkOpening opening;
    ASSERT_TRUE(ReadExactly(socket.get(), &opening, sizeof(opening)).ok());
    const LinkNotice accepted{.kind = LinkNotice::kAccepted, .value = 1};
    ASSERT_EQ(send(socket.get(), &accepted, sizeof(accepted), 0), sizeof(accepted));
    ASSERT_EQ(send(socket.get(), &notice, sizeof(notice), 0), sizeof(notice));
    failures.WaitForSize(1);
  });
  const auto sender = UnixTransport(7).Connect(
      address, {.on_failure = [&](absl::Status status) { failures.Put(std::move(status)); }});
  EXPECT_TRUE(sender.ok()) << sender.status();
  peer.join();
  EXPECT_EQ(failures.items()[0].code(), absl::StatusCode::kInternal) << failures.items()[0];
  EXPECT_THAT(failures.items()[0].ToString(), HasSubstr(address));
}

TEST(UnixTransportTest, ReceiversThatSpeakNonsenseBreakTheLink) {
  ExpectBroken({.kind = LinkNotice::kTaken, .value = 1});  // more than was sent
  ExpectBroken({.kind = LinkNotice::kTaken, .value = 0});
  ExpectBroken({.kind = LinkNotice::kAccepted, .value = 1});  // again
  ExpectBroken({.kind = 99, .value = 1});
  ExpectBroken({.kind = LinkNotice::kRefused, .text_bytes = 1 << 20, .value = 1});
}

TEST(ConnectNearTest, WithoutASocketTheOtherWayIsTaken) {
  InprocTransport far;
  Inbox<Frame> frames;
  const auto listener = far.Listen("far", [&](Frame frame) { frames.Put(std::move(frame)); });
  ASSERT_TRUE(listener.ok());
  LinkSessions sessions;  // which accepts nothing
  const auto receiver = UnixReceiver::Start(sessions).value();
  for (const std::string& near : {std::string(), std::string("unix:/no/such.sock"),
                                  std::string("file"), receiver->address()}) {
    const auto sender = ConnectNear(UnixTransport(7), near, far, "far", {});
    ASSERT_TRUE(sender.ok()) << near << sender.status();
    const size_t before = frames.size();
    (*sender)->Send(ResultFrame{});
    EXPECT_EQ(frames.size(), before + 1);
  }
  sessions.Accept(kLimits, [](Frame) {});
  const auto sender = ConnectNear(UnixTransport(7), receiver->address(), far, "none", {});
  EXPECT_TRUE(sender.ok()) << sender.status();
}

}  // namespace
}  // namespace tern
