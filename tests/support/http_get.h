// SPDX-License-Identifier: MIT
// Reads a page of an HTTP server on this machine, as Prometheus does.
#ifndef TERN_TESTS_SUPPORT_HTTP_GET_H_
#define TERN_TESTS_SUPPORT_HTTP_GET_H_

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/descriptor.h"
#include "gtest/gtest.h"
#include "tests/support/loopback.h"

namespace tern {

// The body of http://127.0.0.1:PORT PATH; empty, with a failure, unless the answer is 200.
inline std::string HttpGet(uint16_t port, const std::string& path) {
  const Descriptor server = OpenConnection(port);
  const std::string request =
      absl::StrCat("GET ", path, " HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  WriteAll(server, request);
  const std::string answer = ReadToEnd(server);
  const size_t head_end = answer.find("\r\n\r\n");
  if (answer.find(" 200 ") == std::string::npos || head_end == std::string::npos) {
    ADD_FAILURE() << answer;
    return "";
  }
  return answer.substr(head_end + 4);
}

}  // namespace tern

#endif  // TERN_TESTS_SUPPORT_HTTP_GET_H_
