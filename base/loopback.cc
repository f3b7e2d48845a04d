// SPDX-License-Identifier: MIT
#include "base/loopback.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

namespace tern {
namespace {

sockaddr_in LoopbackAddress(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

absl::StatusOr<Descriptor> NewTcpSocket(int flags) {
  Descriptor made(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  const int on = 1;
  if (!made.is_open() || setsockopt(made.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0) {
    return absl::ErrnoToStatus(errno, "cannot make a TCP socket");
  }
  return made;
}

absl::StatusOr<uint16_t> ListenOnLoopback(const Descriptor& listener) {
  sockaddr_in address = LoopbackAddress(0);
  socklen_t size = sizeof(address);
  if (bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      listen(listener.get(), SOMAXCONN) != 0 ||
      getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return absl::ErrnoToStatus(errno, "cannot listen on 127.0.0.1");
  }
  return ntohs(address.sin_port);
}

int ConnectToLoopback(const Descriptor& client, uint16_t port) {
  const sockaddr_in address = LoopbackAddress(port);
  return connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}

}  // namespace tern
