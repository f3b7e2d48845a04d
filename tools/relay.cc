// SPDX-License-Identifier: MIT
#include "tools/relay.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <list>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/descriptor.h"
#include "base/log.h"
#include "base/loopback.h"
#include "base/status_macros.h"
#include "cluster/clock.h"

namespace tern {
namespace {

// Passed on together once the last byte is through.
constexpr size_t kChunkBytes = 16 << 10;
// That a socket takes before anybody has read them.
constexpr int kQueueBytes = 64 << 10;

// What all of the relay's sockets are like.
absl::StatusOr<Descriptor> NewSocket() {
  TERN_ASSIGN_OR_RETURN(Descriptor made, NewTcpSocket(SOCK_NONBLOCK));
  if (setsockopt(made.get(), SOL_SOCKET, SO_RCVBUF, &kQueueBytes, sizeof(kQueueBytes)) != 0) {
    return absl::ErrnoToStatus(errno, "relay: socket");
  }
  return made;
}

bool IsTransient(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR || error == ECONNABORTED;
}

// Whoever waits at the other ends learns of it.
void Break(int from, int to) {
  shutdown(from, SHUT_RDWR);
  shutdown(to, SHUT_RDWR);
}

}  // namespace

absl::Time WireTimes::Carry(absl::Time came, size_t bytes) {
  MutexLock lock(mu_);
  free_ = std::max(free_, came) + absl::Seconds(static_cast<double>(bytes) / bytes_per_second_);
  return free_;
}

// Sockets never block: every wait is for them or for the end, so that no thread has to be found
// and woken.
class Relay::Impl {
 public:
  explicit Impl(double bytes_per_second)
      : to_target_(bytes_per_second), to_client_(bytes_per_second) {}
  ~Impl();

  absl::Status Listen();
  uint16_t port() const { return port_; }
  void SetTarget(uint16_t port) {
    acceptor_ = std::thread([this, port] { AcceptAll(port); });
  }

 private:
  struct Connection {
    Descriptor client, target;
    std::atomic<int> open_ways{2};
    std::thread there, back;
    ~Connection() {
      there.join();
      back.join();
    }
  };

  // Until `fd` is ready for `events`, or until the time; an `fd` of -1 never is. Whether to go on:
  // false if the relay ends.
  bool Await(int fd, int16_t events, absl::Time until = absl::InfiniteFuture()) const;
  void AcceptAll(uint16_t port);
  absl::StatusOr<Descriptor> Connect(uint16_t port) const;
  void Begin(Descriptor client, Descriptor target);
  void Forward(int from, int to, WireTimes& wire) const;
  bool SendAll(int to, const char* data, size_t bytes) const;

  WireTimes to_target_, to_client_;
  uint16_t port_ = 0;
  Descriptor listener_;
  Descriptor end_;  // an event that can be read from when the relay ends on, and is not
  std::thread acceptor_;
  std::list<Connection> connections_;  // the acceptor's, while it runs
};

Relay::Impl::~Impl() {
  const uint64_t one = 1;
  if (end_.is_open()) TERN_CHECK(write(end_.get(), &one, sizeof(one)) == sizeof(one));
  if (acceptor_.joinable()) acceptor_.join();
}

absl::Status Relay::Impl::Listen() {
  end_ = Descriptor(eventfd(0, EFD_CLOEXEC));
  if (!end_.is_open()) return absl::ErrnoToStatus(errno, "relay: eventfd");
  TERN_ASSIGN_OR_RETURN(listener_, NewSocket());
  TERN_ASSIGN_OR_RETURN(port_, ListenOnLoopback(listener_));
  return absl::OkStatus();
}

bool Relay::Impl::Await(int fd, int16_t events, absl::Time until) const {
  std::array<pollfd, 2> waits = {{{end_.get(), POLLIN, 0}, {fd, events, 0}}};
  int ready = -1;
  do {
    const timespec left = absl::ToTimespec(std::max(until - MonotonicNow(), absl::ZeroDuration()));
    ready = ppoll(waits.data(), waits.size(), until == absl::InfiniteFuture() ? nullptr : &left,
                  nullptr);
  } while (ready < 0 && errno == EINTR);
  return ready >= 0 && waits[0].revents == 0;
}

void Relay::Impl::AcceptAll(uint16_t port) {
  while (Await(listener_.get(), POLLIN)) {
    Descriptor client(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!client.is_open()) {
      if (IsTransient(errno)) continue;
      LogWarning(absl::ErrnoToStatus(errno, "relay: takes no more connections").message());
      listener_.Close();
      return;
    }
    connections_.remove_if([](const Connection& old) { return old.open_ways == 0; });
    absl::StatusOr<Descriptor> target = Connect(port);
    if (target.ok()) {
      Begin(std::move(client), *std::move(target));
    } else if (!absl::IsCancelled(target.status())) {
      LogWarning(target.status().message());
    }
  }
}

absl::StatusOr<Descriptor> Relay::Impl::Connect(uint16_t port) const {
  TERN_ASSIGN_OR_RETURN(Descriptor target, NewSocket());
  int error = ConnectToLoopback(target, port) == 0 ? 0 : errno;
  if (error == EINPROGRESS) {
    if (!Await(target.get(), POLLOUT)) return absl::CancelledError("relay: ended");
    socklen_t size = sizeof(error);
    getsockopt(target.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  }
  if (error == 0) return target;
  return absl::ErrnoToStatus(error, absl::StrCat("relay: cannot connect to 127.0.0.1:", port));
}

void Relay::Impl::Begin(Descriptor client, Descriptor target) {
  Connection& begun = connections_.emplace_back();
  begun.client = std::move(client);
  begun.target = std::move(target);
  begun.there = std::thread([this, &begun] {
    Forward(begun.client.get(), begun.target.get(), to_target_);
    --begun.open_ways;
  });
  begun.back = std::thread([this, &begun] {
    Forward(begun.target.get(), begun.client.get(), to_client_);
    --begun.open_ways;
  });
}

// Until the sender ends its half, an end breaks, or the relay ends.
void Relay::Impl::Forward(int from, int to, WireTimes& wire) const {
  std::array<char, kChunkBytes> chunk;
  // A thread may wake up late, above all where all processors compute, but the wire was not idle
  // meanwhile if bytes were there: they count as come when the last chunk should have left. Time in
  // which the receiver took nothing is not made up for.
  absl::Duration late;
  while (true) {
    const ssize_t bytes = recv(from, chunk.data(), chunk.size(), 0);
    if (bytes < 0 && IsTransient(errno)) {
      late = absl::ZeroDuration();
      if (!Await(from, POLLIN)) return;
      continue;
    }
    if (bytes == 0) {
      shutdown(to, SHUT_WR);
      return;
    }
    if (bytes < 0) break;
    const absl::Time through = wire.Carry(MonotonicNow() - late, static_cast<size_t>(bytes));
    if (!Await(-1, 0, through)) return;
    late = MonotonicNow() - through;
    if (!SendAll(to, chunk.data(), static_cast<size_t>(bytes))) break;
  }
  Break(from, to);
}

// False if the receiver is gone or the relay ends.
bool Relay::Impl::SendAll(int to, const char* data, size_t bytes) const {
  while (bytes > 0) {
    const ssize_t sent = send(to, data, bytes, MSG_NOSIGNAL);
    if (sent >= 0) {
      data += sent;
      bytes -= static_cast<size_t>(sent);
    } else if (!IsTransient(errno) || !Await(to, POLLOUT)) {
      return false;
    }
  }
  return true;
}

absl::StatusOr<std::unique_ptr<Relay>> Relay::Listen(double bytes_per_second) {
  auto impl = std::make_unique<Impl>(bytes_per_second);
  TERN_RETURN_IF_ERROR(impl->Listen());
  return std::unique_ptr<Relay>(new Relay(std::move(impl)));
}

Relay::Relay(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Relay::~Relay() = default;

std::string Relay::address() const { return absl::StrCat("127.0.0.1:", impl_->port()); }

uint16_t Relay::port() const { return impl_->port(); }

void Relay::SetTarget(uint16_t port) { impl_->SetTarget(port); }

}  // namespace tern
