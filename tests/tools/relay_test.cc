// SPDX-License-Identifier: MIT
#include "tools/relay.h"

#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "cluster/clock.h"
#include "gtest/gtest.h"
#include "tests/support/loopback.h"

namespace tern {
namespace {

constexpr double kFast = 1e9;  // bytes a second

const absl::Time kStart = absl::UnixEpoch();

TEST(WireTimesTest, BytesOfAnIdleWireTakeTheirTime) {
  WireTimes wire(1000);
  EXPECT_EQ(wire.Carry(kStart, 500), kStart + absl::Milliseconds(500));
}

TEST(WireTimesTest, BytesQueueUpBehindEachOther) {
  WireTimes wire(1000);
  wire.Carry(kStart, 500);
  EXPECT_EQ(wire.Carry(kStart + absl::Milliseconds(100), 250), kStart + absl::Milliseconds(750));
}

TEST(WireTimesTest, AnIdleWireSavesNothingUp) {
  WireTimes wire(1000);
  wire.Carry(kStart, 500);
  const absl::Time later = kStart + absl::Hours(1);
  EXPECT_EQ(wire.Carry(later, 1000), later + absl::Seconds(1));
}

// Whatever comes when: in no stretch of time are more bytes through than the rate allows, and none
// wait while the wire is free.
TEST(WireTimesTest, NeverMoreThanTheRateAndNeverIdleBesideAQueue) {
  constexpr double kRate = 12.5e6;
  const auto nanosecond = absl::Nanoseconds(1);  // for rounding
  std::mt19937 random(7);
  std::uniform_int_distribution<size_t> sizes(1, 16 << 10);
  std::uniform_int_distribution<int> pauses(0, 2000);
  WireTimes wire(kRate);
  absl::Time came = kStart, before = kStart;
  for (int i = 0; i < 10000; ++i) {
    const size_t bytes = sizes(random);
    const absl::Duration least = absl::Seconds(static_cast<double>(bytes) / kRate);
    const absl::Time through = wire.Carry(came, bytes);
    ASSERT_GE(through - before, least - nanosecond) << i;
    ASSERT_GE(through - came, least - nanosecond) << i;
    ASSERT_LE(through - std::max(before, came), least + nanosecond) << i;
    before = through;
    came += absl::Microseconds(pauses(random));
  }
}

// A relay, and a connection through it from `client` to `server`.
class RelayTest : public testing::Test {
 protected:
  void Open(double bytes_per_second) {
    absl::StatusOr<std::unique_ptr<Relay>> listening = Relay::Listen(bytes_per_second);
    ASSERT_TRUE(listening.ok()) << listening.status();
    relay_ = *std::move(listening);
    listener_ = OpenListener(&port_);
  }
  void OpenAndConnect(double bytes_per_second) {
    Open(bytes_per_second);
    relay_->SetTarget(port_);
    client_ = Connect();
    server_ = AcceptFrom(listener_);
  }
  Descriptor Connect() const { return OpenConnection(relay_->port()); }

  std::unique_ptr<Relay> relay_;
  uint16_t port_ = 0;  // of the target
  Descriptor listener_, client_, server_;
};

std::string RandomBytes(size_t count) {
  std::mt19937 random(11);
  std::string bytes(count, 0);
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

TEST_F(RelayTest, BothWaysGiveTheBytesThatWereSent) {
  OpenAndConnect(kFast);
  const std::string bytes = RandomBytes(3 << 20);
  // Much more than all the buffers on the way hold, so both ways are busy at once.
  std::thread echo([&] {
    char buffer[4096];
    for (ssize_t count = 0; (count = recv(server_.get(), buffer, sizeof(buffer), 0)) > 0;) {
      WriteAll(server_, std::string(buffer, static_cast<size_t>(count)));
    }
    server_.Close();
  });
  std::thread sender([&] {
    WriteAll(client_, bytes);
    shutdown(client_.get(), SHUT_WR);
  });
  EXPECT_TRUE(ReadToEnd(client_) == bytes);
  sender.join();
  echo.join();
}

TEST_F(RelayTest, TheEndOfOneWayLeavesTheOtherOpen) {
  OpenAndConnect(kFast);
  WriteAll(client_, "question");
  shutdown(client_.get(), SHUT_WR);
  EXPECT_EQ(ReadToEnd(server_), "question");
  WriteAll(server_, "answer");
  server_.Close();
  EXPECT_EQ(ReadToEnd(client_), "answer");
}

TEST_F(RelayTest, ATargetThatVanishesEndsTheConnection) {
  OpenAndConnect(kFast);
  const linger at_once = {1, 0};  // closes with a reset
  setsockopt(server_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  server_.Close();
  EXPECT_EQ(ReadToEnd(client_), "");
}

TEST_F(RelayTest, ATargetThatIsNotThereEndsTheConnection) {
  Open(kFast);
  listener_.Close();
  relay_->SetTarget(port_);
  client_ = Connect();
  EXPECT_EQ(ReadToEnd(client_), "");
}

TEST_F(RelayTest, ConnectionsWaitForTheTarget) {
  Open(kFast);
  client_ = Connect();
  WriteAll(client_, "early");
  shutdown(client_.get(), SHUT_WR);
  relay_->SetTarget(port_);
  server_ = AcceptFrom(listener_);
  EXPECT_EQ(ReadToEnd(server_), "early");
}

// Three connections at once: each takes its turn on the wire.
TEST_F(RelayTest, ConnectionsShareTheRate) {
  constexpr double kRate = 1 << 20;
  const std::string bytes = RandomBytes(32 << 10);
  OpenAndConnect(kRate);
  std::vector<Descriptor> clients, servers;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(Connect());
    servers.push_back(AcceptFrom(listener_));
  }
  const absl::Time begin = MonotonicNow();
  for (const Descriptor& client : clients) {
    WriteAll(client, bytes);
    shutdown(client.get(), SHUT_WR);
  }
  for (const Descriptor& server : servers) EXPECT_TRUE(ReadToEnd(server) == bytes);
  const auto sent = static_cast<double>(clients.size() * bytes.size());
  EXPECT_GE(MonotonicNow() - begin, absl::Seconds(sent / kRate));
}

TEST_F(RelayTest, EndsWithConnectionsThatAreOpen) {
  OpenAndConnect(kFast);
  relay_.reset();
  EXPECT_EQ(ReadToEnd(client_), "");
  EXPECT_EQ(ReadToEnd(server_), "");
}

// Bytes that would take a quarter of an hour.
TEST_F(RelayTest, EndsWithBytesOnTheWire) {
  OpenAndConnect(10);
  WriteAll(client_, "x");
  char first = 0;
  EXPECT_EQ(recv(server_.get(), &first, 1, 0), 1);  // so the relay is at work
  WriteAll(client_, RandomBytes(10000));
  const Descriptor second = Connect();
  AcceptFrom(listener_);  // and has had the time to take them
  relay_.reset();
  EXPECT_EQ(ReadToEnd(server_), "");
}

TEST_F(RelayTest, EndsWithoutATarget) {
  Open(kFast);
  client_ = Connect();
  relay_.reset();
  EXPECT_EQ(ReadToEnd(client_), "");
}

}  // namespace
}  // namespace tern
