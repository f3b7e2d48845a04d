// SPDX-License-Identifier: MIT
// Values for Prometheus, as plain structs. Names and units by its conventions: tern_ first, base
// units (_seconds, _bytes), _total at the end of what only grows.
#ifndef TERN_METRICS_METRIC_H_
#define TERN_METRICS_METRIC_H_

#include <string>
#include <utility>
#include <vector>

#include "base/histogram.h"

namespace tern {

using MetricLabels = std::vector<std::pair<std::string, std::string>>;

struct Metric {
  enum class Type { kCounter, kGauge, kHistogram };
  Type type = Type::kGauge;
  std::string name;  // those of one name are of one type, and stand together
  std::string help;
  MetricLabels labels;
  double value = 0;               // of a counter or a gauge
  Histogram::Snapshot histogram;  // of a histogram
};

// Of what only grows while the process lives.
inline Metric CounterMetric(std::string name, std::string help, double value,
                            MetricLabels labels = {}) {
  return {Metric::Type::kCounter, std::move(name), std::move(help), std::move(labels), value, {}};
}

inline Metric GaugeMetric(std::string name, std::string help, double value,
                          MetricLabels labels = {}) {
  return {Metric::Type::kGauge, std::move(name), std::move(help), std::move(labels), value, {}};
}

inline Metric HistogramMetric(std::string name, std::string help, Histogram::Snapshot histogram) {
  return {Metric::Type::kHistogram, std::move(name), std::move(help), {}, 0, std::move(histogram)};
}

}  // namespace tern

#endif  // TERN_METRICS_METRIC_H_
