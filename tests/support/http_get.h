// SPDX-License-Identifier: MIT
// Reads a page of an HTTP server on this machine, as Prometheus does.
#ifndef TERN_TESTS_SUPPORT_HTTP_GET_H_
#define TERN_TESTS_SUPPORT_HTTP_GET_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace tern {

// The body of http://127.0.0.1:PORT PATH; empty, with a failure, unless the answer is 200.
inline std::string HttpGet(uint16_t port, const std::string& path) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  const std::string request =
      absl::StrCat("GET ", path, " HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(write(fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
  std::string answer;
  char buffer[4096];
  for (ssize_t count = 0; (count = read(fd, buffer, sizeof(buffer))) > 0;) {
    answer.append(buffer, static_cast<size_t>(count));
  }
  close(fd);
  const size_t head_end = answer.find("\r\n\r\n");
  if (answer.find(" 200 ") == std::string::npos || head_end == std::string::npos) {
    ADD_FAILURE() << answer;
    return "";
  }
  return answer.substr(head_end + 4);
}

}  // namespace tern

#endif  // TERN_TESTS_SUPPORT_HTTP_GET_H_
