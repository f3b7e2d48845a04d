// SPDX-License-Identifier: MIT
// Plain sockets of this machine, which block.
#ifndef TERN_TESTS_SUPPORT_LOOPBACK_H_
#define TERN_TESTS_SUPPORT_LOOPBACK_H_

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <utility>

#include "base/descriptor.h"
#include "base/loopback.h"
#include "gtest/gtest.h"

namespace tern {

inline Descriptor NewSocket() {
  absl::StatusOr<Descriptor> made = NewTcpSocket();
  EXPECT_TRUE(made.ok()) << made.status();
  return made.ok() ? *std::move(made) : Descriptor();
}

// A connection to 127.0.0.1:PORT.
inline Descriptor OpenConnection(uint16_t port) {
  Descriptor connection = NewSocket();
  EXPECT_EQ(ConnectToLoopback(connection, port), 0);
  return connection;
}

// Listens at a port that the system chooses.
inline Descriptor OpenListener(uint16_t* port) {
  Descriptor listener = NewSocket();
  const absl::StatusOr<uint16_t> chosen = ListenOnLoopback(listener);
  EXPECT_TRUE(chosen.ok()) << chosen.status();
  *port = chosen.value_or(0);
  return listener;
}

inline Descriptor AcceptFrom(const Descriptor& listener) {
  return Descriptor(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
}

inline void WriteAll(const Descriptor& connection, const std::string& bytes) {
  EXPECT_EQ(send(connection.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(bytes.size()));
}

// What comes until the other side ends or breaks the connection.
inline std::string ReadToEnd(const Descriptor& connection) {
  std::string bytes;
  char buffer[4096];
  for (ssize_t count = 0; (count = recv(connection.get(), buffer, sizeof(buffer), 0)) > 0;) {
    bytes.append(buffer, static_cast<size_t>(count));
  }
  return bytes;
}

}  // namespace tern

#endif  // TERN_TESTS_SUPPORT_LOOPBACK_H_
