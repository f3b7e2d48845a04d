// SPDX-License-Identifier: MIT
// An HTTP server that Prometheus reads metrics from, at /metrics. The only user of prometheus-cpp.
#ifndef TERN_METRICS_METRICS_SERVER_H_
#define TERN_METRICS_METRICS_SERVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "metrics/metric.h"

namespace tern {

// Thread-safe.
class MetricsServer {
 public:
  using Collect = std::function<std::vector<Metric>()>;

  // Listens at `address`, "host:port"; port 0 takes any. `collect` is called at each request, from
  // threads of the server's own, never again once the destructor has returned. FAILED_PRECONDITION
  // if it cannot listen there.
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(const std::string& address,
                                                              Collect collect);
  // Takes up to two seconds: so long the library sleeps before it looks whether it is to end.
  ~MetricsServer();
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  // Where it listens.
  uint16_t port() const;

 private:
  class Impl;
  explicit MetricsServer(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace tern

#endif  // TERN_METRICS_METRICS_SERVER_H_
