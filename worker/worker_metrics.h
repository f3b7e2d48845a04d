// SPDX-License-Identifier: MIT
// What a worker tells Prometheus.
#ifndef TERN_WORKER_WORKER_METRICS_H_
#define TERN_WORKER_WORKER_METRICS_H_

#include <string>
#include <vector>

#include "metrics/metric.h"
#include "worker/worker_counts.h"

namespace tern {

// `version` is the build's.
std::vector<Metric> WorkerMetrics(const WorkerCounts& counts, const std::string& version);

}  // namespace tern

#endif  // TERN_WORKER_WORKER_METRICS_H_
