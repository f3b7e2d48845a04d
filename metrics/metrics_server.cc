// SPDX-License-Identifier: MIT
#include "metrics/metrics_server.h"

#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/metric_family.h>

#include <exception>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tern {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;

// A scrape now and then, beside a few connections over which nothing comes.
constexpr char kThreads[] = "4";
constexpr char kPatienceMs[] = "10000";  // with such a connection

prometheus::MetricType ToPrometheus(Metric::Type type) {
  switch (type) {
    case Metric::Type::kCounter:
      return prometheus::MetricType::Counter;
    case Metric::Type::kGauge:
      return prometheus::MetricType::Gauge;
    case Metric::Type::kHistogram:
      return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

// Prometheus' buckets hold all values up to their bound, not only those of the bucket itself.
ClientMetric::Histogram ToPrometheus(const Histogram::Snapshot& histogram) {
  ClientMetric::Histogram converted;
  converted.sample_sum = histogram.sum;
  for (size_t i = 0; i < histogram.counts.size(); ++i) {
    converted.sample_count += histogram.counts[i];
    const double bound =
        i < histogram.bounds.size() ? histogram.bounds[i] : std::numeric_limits<double>::infinity();
    converted.bucket.push_back({converted.sample_count, bound});
  }
  return converted;
}

ClientMetric ToPrometheus(const Metric& metric) {
  ClientMetric converted;
  for (const auto& [name, value] : metric.labels) converted.label.push_back({name, value});
  switch (metric.type) {
    case Metric::Type::kCounter:
      converted.counter.value = metric.value;
      break;
    case Metric::Type::kGauge:
      converted.gauge.value = metric.value;
      break;
    case Metric::Type::kHistogram:
      converted.histogram = ToPrometheus(metric.histogram);
      break;
  }
  return converted;
}

class Collector final : public prometheus::Collectable {
 public:
  explicit Collector(MetricsServer::Collect collect) : collect_(std::move(collect)) {}

  std::vector<MetricFamily> Collect() const override {
    std::vector<MetricFamily> families;
    for (const Metric& metric : collect_()) {
      if (families.empty() || families.back().name != metric.name) {
        families.push_back({metric.name, metric.help, ToPrometheus(metric.type), {}});
      }
      families.back().metric.push_back(ToPrometheus(metric));
    }
    return families;
  }

 private:
  const MetricsServer::Collect collect_;
};

// The library says by an exception that it cannot listen: here it ends.
absl::StatusOr<std::unique_ptr<prometheus::Exposer>> Listen(const std::string& address) {
  try {
    return std::make_unique<prometheus::Exposer>(std::vector<std::string>{
        "listening_ports", address, "num_threads", kThreads, "request_timeout_ms", kPatienceMs});
  } catch (const std::exception&) {
    return absl::FailedPreconditionError(absl::StrCat(
        "metrics: cannot listen on ", address, ": it is in use or no address of this machine"));
  }
}

}  // namespace

class MetricsServer::Impl {
 public:
  Impl(std::unique_ptr<prometheus::Exposer> exposer, Collect collect)
      : collector_(std::make_shared<Collector>(std::move(collect))), exposer_(std::move(exposer)) {
    exposer_->RegisterCollectable(collector_);
  }

  uint16_t port() const { return static_cast<uint16_t>(exposer_->GetListeningPorts().front()); }

 private:
  const std::shared_ptr<Collector> collector_;
  const std::unique_ptr<prometheus::Exposer> exposer_;  // ends first: it calls the collector
};

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(const std::string& address,
                                                                    Collect collect) {
  absl::StatusOr<std::unique_ptr<prometheus::Exposer>> exposer = Listen(address);
  if (!exposer.ok()) return exposer.status();
  if ((*exposer)->GetListeningPorts().empty()) {
    return absl::FailedPreconditionError(absl::StrCat("metrics: cannot listen on ", address));
  }
  return std::unique_ptr<MetricsServer>(
      new MetricsServer(std::make_unique<Impl>(*std::move(exposer), std::move(collect))));
}

MetricsServer::MetricsServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MetricsServer::~MetricsServer() = default;

uint16_t MetricsServer::port() const { return impl_->port(); }

}  // namespace tern
