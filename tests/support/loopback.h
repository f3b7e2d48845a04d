// SPDX-License-Identifier: MIT
// Plain sockets of this machine, which block.
#ifndef TERN_TESTS_SUPPORT_LOOPBACK_H_
#define TERN_TESTS_SUPPORT_LOOPBACK_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>

#include "base/descriptor.h"
#include "gtest/gtest.h"

namespace tern {

// At 127.0.0.1:PORT; 0: any.
inline sockaddr_in LoopbackAddress(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

inline Descriptor ConnectToLoopback(uint16_t port) {
  Descriptor connection(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = LoopbackAddress(port);
  EXPECT_EQ(connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
            0);
  return connection;
}

// Listens at a port that the system chooses.
inline Descriptor ListenOnLoopback(uint16_t* port) {
  Descriptor listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = LoopbackAddress(0);
  socklen_t size = sizeof(address);
  EXPECT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(listen(listener.get(), SOMAXCONN), 0);
  EXPECT_EQ(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  *port = ntohs(address.sin_port);
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
