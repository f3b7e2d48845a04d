// SPDX-License-Identifier: MIT
// What a worker does for its coordinator: loads a stage, links it to the next one when every stage
// is ready, drops it when its epoch is over. Knows no gRPC.
#ifndef TERN_WORKER_STAGE_HOST_H_
#define TERN_WORKER_STAGE_HOST_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "base/mutex.h"
#include "base/thread_pool.h"
#include "cluster/frame_receiver.h"
#include "cluster/messages.h"
#include "cluster/shard_store.h"
#include "cluster/transport.h"
#include "kernels/registry.h"
#include "worker/stage_runner.h"
#include "worker/worker_counts.h"

namespace tern {

// Everything borrowed here must outlive the StageHost.
struct StageHostOptions {
  Kernels kernels;
  ThreadPool* pool = nullptr;
  FrameReceiver* receiver = nullptr;  // of this worker
  std::function<std::unique_ptr<Transport>(uint64_t epoch, WireType wire)> make_transport;
  std::string coordinator_address;  // where the last stage sends its results
  std::string model_path;           // a local copy of the model, or empty
  std::string cache_directory;
  uint64_t cache_limit_bytes = ShardOptions::kDefaultCacheLimitBytes;
  TensorShelf* shelf = nullptr;  // what peers may be given; may be null
  TensorFetch fetch;
  WorkerCounts* counts = nullptr;  // of the worker, whatever stages it has; may be null
};

// Serves one connection to a coordinator: epochs only grow. Thread-safe.
class StageHost {
 public:
  // `report` takes what the coordinator is to be told. It is called from several threads and must
  // not block.
  StageHost(StageHostOptions options, std::function<void(WorkerMessage)> report);
  // Drops the stage; waits for what is being loaded or computed.
  ~StageHost();

  // Obeys the coordinator, in order, on a thread of its own. Returns at once.
  void Handle(CoordinatorMessage message) ABSL_LOCKS_EXCLUDED(mu_);

  Heartbeat heartbeat() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Loop();
  // What is not about stages is not for it.
  void Obey(const Welcome&) {}
  void Obey(const ProbeLink&) {}
  void Obey(const Dismiss&) {}
  void Obey(const PrefetchStage& order) ABSL_LOCKS_EXCLUDED(mu_);
  void Obey(const PrepareStage& order);
  void Obey(const CommitStage& order);
  void Obey(const AbandonStage& order);

  absl::Status Load(const PrepareStage& order);
  absl::StatusOr<std::unique_ptr<ShardStore>> GatherShards(const PrepareStage& order,
                                                           ThreadPool* pool, float share,
                                                           const std::function<bool()>& cancelled);
  // Makes stage_.
  absl::StatusOr<FetchedBytes> LoadStage(const PrepareStage& order);
  // Makes kept_, unless it has these weights already.
  absl::StatusOr<FetchedBytes> LoadWeights(const PrepareStage& order,
                                           const std::function<bool()>& cancelled);
  absl::StatusOr<FetchedBytes> Prefetch(const PrepareStage& order);
  absl::Status Link(const PrepareStage& order);
  void Drop() ABSL_LOCKS_EXCLUDED(mu_);
  void OnFrame(uint64_t epoch, Frame frame) ABSL_LOCKS_EXCLUDED(mu_);
  void ReportFailure(uint64_t epoch, const absl::Status& status);
  bool IsAbandoned(uint64_t epoch) const { return abandoned_epoch_ >= epoch; }

  const StageHostOptions options_;
  const std::function<void(WorkerMessage)> report_;
  std::atomic<uint64_t> abandoned_epoch_{0};  // this one and all before it

  // Of the thread alone.
  PrepareStage order_;                  // the last one
  std::unique_ptr<ShardStore> shards_;  // of stage_ or kept_: what is in use stays in the cache
  std::unique_ptr<Stage> stage_;        // loaded, not yet committed
  // Of the stage before, as the next one may have the same layers; or, in a spare, of a next stage.
  std::unique_ptr<Transformer> kept_;
  // What was loaded last: kept_, or what a stage has taken of it.
  LayerRange kept_layers_;
  std::string kept_model_;  // its digest

  mutable Mutex mu_;
  CondVar wake_;
  std::deque<CoordinatorMessage> orders_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<StageRunner> runner_ ABSL_GUARDED_BY(mu_);  // once committed
  uint64_t epoch_ ABSL_GUARDED_BY(mu_) = 0;                   // of the stage; 0: none
  bool stop_ ABSL_GUARDED_BY(mu_) = false;

  std::thread thread_;  // last: it uses everything above
};

}  // namespace tern

#endif  // TERN_WORKER_STAGE_HOST_H_
