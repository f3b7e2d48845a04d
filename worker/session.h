// SPDX-License-Identifier: MIT
// One connection of a worker to its coordinator, from joining to the end of the stream. Includes
// gRPC's headers: for worker/daemon.cc alone.
#ifndef TERN_WORKER_SESSION_H_
#define TERN_WORKER_SESSION_H_

#include <deque>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "base/mutex.h"
#include "cluster/messages.h"
#include "cluster/weights_client.h"
#include "proto/cluster.grpc.pb.h"
#include "worker/stage_host.h"

namespace tern {

// Run may be called once; Cancel from any thread.
class WorkerSession {
 public:
  // `host_options` without its coordinator_address and fetch: those are the session's.
  WorkerSession(const std::string& coordinator, RegisterWorker registration,
                StageHostOptions host_options);

  // Joins, and obeys until the stream ends; returns how it ended. OK: the coordinator stopped.
  absl::Status Run();

  // Ends Run, soon.
  void Cancel() { context_.TryCancel(); }

  // Whether the coordinator has welcomed the worker.
  bool welcomed() const { return welcomed_; }

 private:
  using Stream = grpc::ClientReaderWriter<v1::WorkerMessage, v1::CoordinatorMessage>;

  // Queues a message for the coordinator; never blocks.
  void Report(WorkerMessage message) ABSL_LOCKS_EXCLUDED(mu_);
  // Writes what is queued, and a heartbeat whenever one is due, until `ended_`.
  void WriteLoop(Stream& stream, const StageHost& host) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status ReadLoop(Stream& stream, StageHost& host);

  const std::string coordinator_;
  const RegisterWorker registration_;
  StageHostOptions host_options_;
  const std::unique_ptr<v1::Cluster::Stub> stub_;
  WeightsClient weights_;
  grpc::ClientContext context_;
  bool welcomed_ = false;

  Mutex mu_;
  CondVar wake_;
  std::deque<WorkerMessage> outgoing_ ABSL_GUARDED_BY(mu_);
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace tern

#endif  // TERN_WORKER_SESSION_H_
