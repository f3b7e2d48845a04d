// SPDX-License-Identifier: MIT
#include "coordinator/status_wire.h"

namespace tern {
namespace {

void Fill(const PipelineStage& stage, v1::StageStatus& proto) {
  proto.set_worker(stage.name);
  proto.set_first_layer(stage.layers.begin);
  proto.set_end_layer(stage.layers.end);
  proto.set_weight_bytes(stage.weight_bytes);
  proto.set_kv_bytes(stage.kv_bytes);
}

void Fill(const WorkerStatus& worker, v1::WorkerStatus& proto) {
  const RegisterWorker& info = worker.view.info;
  proto.set_name(info.name);
  proto.set_hostname(worker.view.hostname);
  proto.set_data_address(info.data_address);
  proto.set_cpuset(info.cpuset);
  proto.set_threads(info.threads);
  proto.set_isa(info.isa);
  proto.set_memory_bytes(info.memory_bytes);
  proto.set_state(WorkerStateName(worker.state));
  proto.set_first_layer(worker.view.layers.begin);
  proto.set_end_layer(worker.view.layers.end);
  proto.set_steps_done(worker.heartbeat.steps_done);
  proto.set_steps_queued(worker.heartbeat.steps_queued);
  if (worker.busy.has_value()) proto.set_busy(*worker.busy);
}

void Fill(const Engine::Stats& stats, v1::LoadStatus& proto) {
  proto.set_running(stats.running);
  proto.set_waiting(stats.waiting);
  proto.set_tokens_per_second(stats.tokens_per_second);
  proto.set_kv_pages(stats.kv_pages);
  proto.set_free_kv_pages(stats.free_kv_pages);
  proto.set_cached_kv_pages(stats.cached_kv_pages);
  proto.set_steps_in_flight(stats.steps_in_flight);
  proto.set_steps_done(stats.steps_done);
  proto.set_generated_tokens(stats.generated_tokens);
  proto.set_admitted_tokens(stats.admitted_tokens);
  proto.set_shared_tokens(stats.shared_tokens);
  proto.set_preemptions(stats.preemptions);
  proto.set_recoveries(stats.recoveries);
}

}  // namespace

void FillStatus(const ClusterStatus& status, v1::GetStatusResponse& proto) {
  proto.set_version(status.version);
  proto.set_model(status.model);
  proto.set_uptime_seconds(absl::ToDoubleSeconds(status.uptime));
  proto.set_why_down(status.why_down);
  if (status.pipeline.has_value()) {
    proto.set_epoch(status.pipeline->epoch);
    for (const PipelineStage& stage : status.pipeline->stages) Fill(stage, *proto.add_stages());
  }
  for (const WorkerStatus& worker : status.workers) Fill(worker, *proto.add_workers());
  Fill(status.engine, *proto.mutable_load());
  if (status.bubble.has_value()) proto.mutable_load()->set_bubble(*status.bubble);
}

}  // namespace tern
