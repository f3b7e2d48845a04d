// SPDX-License-Identifier: MIT
// What every process tells Prometheus of itself, by its conventional names.
#ifndef TERN_METRICS_PROCESS_METRICS_H_
#define TERN_METRICS_PROCESS_METRICS_H_

#include <vector>

#include "metrics/metric.h"

namespace tern {

// Processor time, resident memory, and when the process began.
std::vector<Metric> ProcessMetrics();

}  // namespace tern

#endif  // TERN_METRICS_PROCESS_METRICS_H_
