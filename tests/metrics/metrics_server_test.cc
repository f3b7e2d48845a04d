// SPDX-License-Identifier: MIT
#include "metrics/metrics_server.h"

#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/http_get.h"
#include "tests/support/loopback.h"

namespace tern {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<MetricsServer> StartServer() {
  auto server = MetricsServer::Start("127.0.0.1:0", [] {
    return std::vector<Metric>{GaugeMetric("tern_answer", "Of a test.", 42)};
  });
  EXPECT_TRUE(server.ok()) << server.status();
  return server.ok() ? *std::move(server) : nullptr;
}

// Whether the other side has not closed it, and has sent nothing.
bool IsOpen(const Descriptor& connection) {
  char byte = 0;
  return recv(connection.get(), &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

// A probe of a load balancer, a browser that connects ahead, a Prometheus that was cut off.
TEST(MetricsServerTest, AnswersBesideConnectionsOverWhichNothingComes) {
  const std::unique_ptr<MetricsServer> server = StartServer();
  ASSERT_NE(server, nullptr);
  std::vector<Descriptor> silent;
  for (int i = 0; i < 3; ++i) silent.push_back(OpenConnection(server->port()));
  EXPECT_THAT(HttpGet(server->port(), "/metrics"), HasSubstr("tern_answer 42"));
  for (const Descriptor& connection : silent) {
    EXPECT_TRUE(IsOpen(connection)) << "it was waited for";
  }
}

TEST(MetricsServerTest, APortInUseIsAnError) {
  const std::unique_ptr<MetricsServer> server = StartServer();
  ASSERT_NE(server, nullptr);
  const std::string address = absl::StrCat("127.0.0.1:", server->port());
  const auto second = MetricsServer::Start(address, [] { return std::vector<Metric>(); });
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(second.status().message(), HasSubstr("cannot listen on " + address));
}

}  // namespace
}  // namespace tern
