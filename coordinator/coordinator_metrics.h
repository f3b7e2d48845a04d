// SPDX-License-Identifier: MIT
// What a coordinator tells Prometheus.
#ifndef TERN_COORDINATOR_COORDINATOR_METRICS_H_
#define TERN_COORDINATOR_COORDINATOR_METRICS_H_

#include <vector>

#include "coordinator/request_recorder.h"
#include "coordinator/status.h"
#include "metrics/metric.h"

namespace tern {

std::vector<Metric> CoordinatorMetrics(const ClusterStatus& status,
                                       const RequestRecorder::Counts& requests);

}  // namespace tern

#endif  // TERN_COORDINATOR_COORDINATOR_METRICS_H_
