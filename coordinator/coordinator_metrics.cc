// SPDX-License-Identifier: MIT
#include "coordinator/coordinator_metrics.h"

#include <algorithm>

#include "metrics/process_metrics.h"

namespace tern {
namespace {

void AddRequests(const RequestRecorder::Counts& requests, std::vector<Metric>& metrics) {
  for (const auto& [outcome, count] : requests.ended) {
    metrics.push_back(CounterMetric(
        "tern_requests_total", "Requests that ended, by how: stop, length, or an error's code.",
        static_cast<double>(count), {{"outcome", outcome}}));
  }
  metrics.push_back(CounterMetric("tern_prompt_tokens_total", "Tokens of prompts taken.",
                                  static_cast<double>(requests.prompt_tokens)));
  metrics.push_back(CounterMetric("tern_generated_tokens_total", "Tokens sent to clients.",
                                  static_cast<double>(requests.generated_tokens)));
  metrics.push_back(HistogramMetric("tern_time_to_first_token_seconds",
                                    "From a request's arrival to its first token.",
                                    requests.to_first_token));
  metrics.push_back(HistogramMetric("tern_inter_token_seconds",
                                    "From a token of a sequence to its next.",
                                    requests.between_tokens));
  metrics.push_back(HistogramMetric("tern_request_duration_seconds",
                                    "From a request's arrival to its end.", requests.total));
}

void AddEngine(const Engine::Stats& stats, std::vector<Metric>& metrics) {
  const auto gauge = [&](const char* name, const char* help, double value) {
    metrics.push_back(GaugeMetric(name, help, value));
  };
  const auto counter = [&](const char* name, const char* help, double value) {
    metrics.push_back(CounterMetric(name, help, value));
  };
  gauge("tern_queue_requests", "Sequences that wait to be admitted.",
        static_cast<double>(stats.waiting));
  gauge("tern_running_requests", "Sequences that run.", static_cast<double>(stats.running));
  const auto pages = [&](const char* state, uint64_t count) {
    metrics.push_back(GaugeMetric("tern_kv_pages",
                                  "Pages of the KV cache, the same on every stage.",
                                  static_cast<double>(count), {{"state", state}}));
  };
  pages("cached", stats.cached_kv_pages);
  pages("free", stats.free_kv_pages - stats.cached_kv_pages);
  pages("held", stats.kv_pages - stats.free_kv_pages);
  gauge("tern_steps_in_flight", "Steps on their way through the pipeline.",
        static_cast<double>(stats.steps_in_flight));
  counter("tern_steps_total", "Steps that went through the pipeline.",
          static_cast<double>(stats.steps_done));
  counter("tern_admitted_tokens_total",
          "Tokens that sequences began with, also when they began again.",
          static_cast<double>(stats.admitted_tokens));
  counter("tern_prefix_cache_hit_tokens_total", "Of the admitted tokens, those found in the cache.",
          static_cast<double>(stats.shared_tokens));
  counter("tern_preemptions_total", "Sequences that gave up their pages and were computed anew.",
          static_cast<double>(stats.preemptions));
  counter("tern_recoveries_total", "Pipelines that running requests went on over.",
          static_cast<double>(stats.recoveries));
  counter("tern_working_seconds_total", "Time with steps in flight.",
          absl::ToDoubleSeconds(stats.busy));
  counter("tern_scheduling_seconds_total", "Time that the scheduler's thread worked.",
          absl::ToDoubleSeconds(stats.scheduling));
}

void AddWorkers(const ClusterStatus& status, std::vector<Metric>& metrics) {
  for (const WorkerState state : kWorkerStates) {
    const auto count = std::count_if(status.workers.begin(), status.workers.end(),
                                     [&](const WorkerStatus& w) { return w.state == state; });
    metrics.push_back(GaugeMetric("tern_workers", "Workers that are connected.",
                                  static_cast<double>(count), {{"state", WorkerStateName(state)}}));
  }
  for (const WorkerStatus& worker : status.workers) {
    metrics.push_back(GaugeMetric("tern_worker_queued_steps", "Steps at a worker.",
                                  static_cast<double>(worker.heartbeat.steps_queued),
                                  {{"worker", worker.view.info.name}}));
  }
  for (const WorkerStatus& worker : status.workers) {
    if (!worker.busy.has_value()) continue;
    metrics.push_back(GaugeMetric(
        "tern_worker_busy_ratio",
        "Share of the time in which the pipeline had work that a worker computed, over 10 s.",
        *worker.busy, {{"worker", worker.view.info.name}}));
  }
}

}  // namespace

std::vector<Metric> CoordinatorMetrics(const ClusterStatus& status,
                                       const RequestRecorder::Counts& requests) {
  std::vector<Metric> metrics = ProcessMetrics();
  metrics.push_back(GaugeMetric("tern_build_info", "1, with the build's version.", 1,
                                {{"version", status.version}}));
  metrics.push_back(
      GaugeMetric("tern_model_info", "1, with the model's name.", 1, {{"model", status.model}}));
  metrics.push_back(
      GaugeMetric("tern_pipeline_up", "Whether requests are served.", status.pipeline.has_value()));
  metrics.push_back(
      GaugeMetric("tern_epoch", "Number of the plan that serves; 0: none.",
                  status.pipeline.has_value() ? static_cast<double>(status.pipeline->epoch) : 0));
  AddRequests(requests, metrics);
  AddEngine(status.engine, metrics);
  AddWorkers(status, metrics);
  return metrics;
}

}  // namespace tern
