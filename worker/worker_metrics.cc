// SPDX-License-Identifier: MIT
#include "worker/worker_metrics.h"

#include "metrics/process_metrics.h"

namespace tern {

std::vector<Metric> WorkerMetrics(const WorkerCounts& counts, const std::string& version) {
  std::vector<Metric> metrics = ProcessMetrics();
  metrics.push_back(
      GaugeMetric("tern_build_info", "1, with the build's version.", 1, {{"version", version}}));
  metrics.push_back(GaugeMetric("tern_epoch", "Number of the plan that the worker serves; 0: none.",
                                static_cast<double>(counts.epoch)));
  const Histogram::Snapshot steps = counts.step_times.snapshot();
  metrics.push_back(CounterMetric("tern_steps_total", "Steps that the worker computed.",
                                  static_cast<double>(steps.count())));
  metrics.push_back(
      HistogramMetric("tern_step_seconds", "How long a step took to compute.", steps));
  const auto fetched = [&](const char* source, uint64_t bytes) {
    metrics.push_back(CounterMetric("tern_weights_fetched_bytes_total",
                                    "Bytes of weights that came over the network.",
                                    static_cast<double>(bytes), {{"source", source}}));
  };
  fetched("coordinator", counts.bytes_from_coordinator);
  fetched("peer", counts.bytes_from_peers);
  return metrics;
}

}  // namespace tern
