// SPDX-License-Identifier: MIT
#include "tools/bare_hop.h"

#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <memory>
#include <utility>

#include "base/descriptor.h"
#include "base/loopback.h"
#include "base/status_macros.h"
#include "base/thread_pool.h"
#include "bench/statistics.h"

namespace tern {
namespace {

using Clock = std::chrono::steady_clock;
using SocketPair = std::array<Descriptor, 2>;

absl::Status Failed(const char* call) { return absl::ErrnoToStatus(errno, call); }

absl::StatusOr<SocketPair> UnixPair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return Failed("socketpair");
  return SocketPair{Descriptor(ends[0]), Descriptor(ends[1])};
}

absl::StatusOr<SocketPair> TcpPair() {
  TERN_ASSIGN_OR_RETURN(const Descriptor listener, NewTcpSocket());
  TERN_ASSIGN_OR_RETURN(const uint16_t port, ListenOnLoopback(listener));
  TERN_ASSIGN_OR_RETURN(Descriptor client, NewTcpSocket());
  if (ConnectToLoopback(client, port) != 0) return Failed("a connection over loopback");
  Descriptor server(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!server.is_open()) return Failed("a connection over loopback");
  return SocketPair{std::move(client), std::move(server)};
}

// Whether all of it went; so it does unless the other end is gone.
bool Write(int socket, const std::vector<char>& bytes) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t sent = send(socket, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (sent > 0) done += static_cast<size_t>(sent);
    if (sent < 0 && errno != EINTR) return false;
  }
  return true;
}

bool Read(int socket, std::vector<char>& bytes) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t got = recv(socket, bytes.data() + done, bytes.size() - done, 0);
    if (got > 0) done += static_cast<size_t>(got);
    if (got == 0 || (got < 0 && errno != EINTR)) return false;
  }
  return true;
}

void Compute(absl::Duration pause) {
  const auto end = Clock::now() + absl::ToChronoNanoseconds(pause);
  while (Clock::now() < end) {
  }
}

}  // namespace

absl::StatusOr<double> BareHopSeconds(const BareHopOptions& options) {
  TERN_ASSIGN_OR_RETURN(const SocketPair ends, options.tcp ? TcpPair() : UnixPair());
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<ThreadPool> threads,
                        ThreadPool::Create({.threads = 2, .cpus = options.cpus}));
  std::vector<double> seconds(options.hops);
  std::atomic<Clock::time_point> sent = Clock::now();
  std::atomic<bool> ok = true;
  threads->Run([&](size_t thread) {
    const int socket = ends[thread].get();
    std::vector<char> bytes(options.bytes);
    for (uint32_t hop = 0; hop < options.hops && ok; ++hop) {
      if (hop % 2 == thread) {
        Compute(options.pause);
        sent = Clock::now();
        if (!Write(socket, bytes)) ok = false;
      } else if (Read(socket, bytes)) {
        const std::chrono::duration<double> took = Clock::now() - sent.load();
        seconds[hop] = took.count();
      } else {
        ok = false;
      }
    }
    if (!ok) shutdown(socket, SHUT_RDWR);  // lest the other wait
  });
  if (!ok) return absl::InternalError("bare hop: a socket of this process was closed");
  return Percentile(seconds, 50);
}

}  // namespace tern
