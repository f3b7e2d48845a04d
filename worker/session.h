// SPDX-License-Identifier: MIT
// One connection of a worker to its coordinator, from joining to the end of the stream. Includes
// gRPC's headers: for worker/daemon.cc alone.
#ifndef TERN_WORKER_SESSION_H_
#define TERN_WORKER_SESSION_H_

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "cluster/messages.h"
#include "cluster/weights_client.h"
#include "proto/cluster.grpc.pb.h"
#include "worker/stage_host.h"

namespace tern {

// What a worker is, once it has its processors.
struct WorkerSetup {
  RegisterWorker registration;
  StageHostOptions host;  // without coordinator_address and fetch: those are the session's
};

// Run may be called once; Leave from any thread.
class WorkerSession {
 public:
  // `on_welcome` takes the processors that the worker was given; an error of it ends the session.
  WorkerSession(const std::string& coordinator, Hello hello,
                std::function<absl::StatusOr<WorkerSetup>(const Welcome&)> on_welcome);

  // Joins, and obeys until the stream ends; returns how it ended. OK: the coordinator stopped, or
  // dismissed the worker.
  absl::Status Run() ABSL_LOCKS_EXCLUDED(mu_);

  // Ends Run, soon: tells the coordinator, if it listens.
  void Leave() ABSL_LOCKS_EXCLUDED(mu_);

  // Whether the coordinator has welcomed the worker.
  bool welcomed() const { return welcomed_; }
  // Whether the coordinator needs the worker no more.
  bool dismissed() const { return dismissed_; }

 private:
  using Stream = grpc::ClientReaderWriter<v1::WorkerMessage, v1::CoordinatorMessage>;

  absl::StatusOr<WorkerSetup> Join(Stream& stream);
  absl::Status Serve(Stream& stream, WorkerSetup setup) ABSL_LOCKS_EXCLUDED(mu_);
  void End() ABSL_LOCKS_EXCLUDED(mu_);
  // Queues a message for the coordinator; never blocks.
  void Report(WorkerMessage message) ABSL_LOCKS_EXCLUDED(mu_);
  // Writes what is queued, and a heartbeat whenever one is due, until `ended_` or `leaving_`.
  void WriteLoop(Stream& stream, const StageHost& host) ABSL_LOCKS_EXCLUDED(mu_);
  // Waits, not for long, for the coordinator to end the stream.
  void SayGoodbye(Stream& stream) ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<CoordinatorMessage> Read(Stream& stream);
  absl::Status ReadLoop(Stream& stream, StageHost& host);
  // Probes links, one after the other, until `ended_`.
  void ProbeLoop() ABSL_LOCKS_EXCLUDED(mu_);

  const std::string coordinator_;
  const Hello hello_;
  const std::function<absl::StatusOr<WorkerSetup>(const Welcome&)> on_welcome_;
  const std::unique_ptr<v1::Cluster::Stub> stub_;
  WeightsClient weights_;
  grpc::ClientContext context_;
  bool welcomed_ = false;
  bool dismissed_ = false;

  Mutex mu_;
  CondVar wake_;  // for the writer
  CondVar probe_wake_;
  std::deque<WorkerMessage> outgoing_ ABSL_GUARDED_BY(mu_);
  std::deque<ProbeLink> probes_ ABSL_GUARDED_BY(mu_);
  bool serving_ ABSL_GUARDED_BY(mu_) = false;  // there is a writer
  bool leaving_ ABSL_GUARDED_BY(mu_) = false;
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace tern

#endif  // TERN_WORKER_SESSION_H_
