// SPDX-License-Identifier: MIT
// Runs the cluster: feeds cluster/membership.h with what workers say and with time, and does what
// it decides: messages to workers, the engine's pipeline up and down. Knows no gRPC.
#ifndef TERN_COORDINATOR_CONTROLLER_H_
#define TERN_COORDINATOR_CONTROLLER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "base/mutex.h"
#include "cluster/frame_receiver.h"
#include "cluster/membership.h"
#include "cluster/transport.h"
#include "coordinator/engine.h"
#include "coordinator/load_meter.h"

namespace tern {

// The coordinator's end of a worker's stream. Thread-safe; calls return at once.
class WorkerStream {
 public:
  virtual ~WorkerStream() = default;
  virtual void Send(const CoordinatorMessage& message) = 0;
  // Ends the stream after what was sent before. Nothing happens the second time.
  virtual void End(const absl::Status& status) = 0;
};

// Everything borrowed here must outlive the Controller.
struct ControllerOptions {
  MembershipConfig membership;
  const ModelManifest* manifest = nullptr;
  uint32_t prefill_chunk = 64;
  Engine* engine = nullptr;
  FrameReceiver* receiver = nullptr;  // where the last stage's results come in
  std::function<std::unique_ptr<Transport>(uint64_t epoch)> make_transport;
  // Called when a pipeline came up, and with nothing when it went down; from one thread.
  std::function<void(const std::optional<Pipeline>&)> on_pipeline;
};

// Thread-safe. All work happens on one thread of its own.
class Controller {
 public:
  explicit Controller(ControllerOptions options);
  ~Controller();

  // Takes the pipeline down and ends every stream with OK; nothing happens any more. Streams may
  // still report until their server has shut down: the object must live that long.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

  // A worker opened a stream. It is shared because the RPC and the controller end independently.
  WorkerId Connect(std::shared_ptr<WorkerStream> stream) ABSL_LOCKS_EXCLUDED(mu_);
  void OnMessage(WorkerId worker, WorkerMessage message);
  // The worker's stream is over.
  void OnGone(WorkerId worker, const std::string& reason);

  // The engine stopped the pipeline by itself.
  void OnEngineError(const absl::Status& status);

  // Moves the layers of the worker of that name to others and ends it; `done`, which must not
  // block, is called once when that has happened or is refused: see DrainEnded; CANCELLED if the
  // controller stops before.
  void Drain(const std::string& name, std::function<void(absl::Status)> done)
      ABSL_LOCKS_EXCLUDED(mu_);

  // The workers that are connected and have registered, and the links between them.
  ClusterView view() const ABSL_LOCKS_EXCLUDED(mu_);

  // What the workers have to do, by their heartbeats.
  ClusterLoad load() const ABSL_LOCKS_EXCLUDED(mu_);

  // The pipeline that is up.
  std::optional<Pipeline> pipeline() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Post(MembershipEvent event) ABSL_LOCKS_EXCLUDED(mu_);
  void NoteLoad(WorkerId worker, const Heartbeat& heartbeat) ABSL_LOCKS_EXCLUDED(mu_);
  void Loop();
  bool WaitForEvents(absl::Time tick_due, std::deque<MembershipEvent>& events)
      ABSL_LOCKS_EXCLUDED(mu_);
  void Step(const MembershipEvent& event);
  void Shutdown();

  void Do(const SendToWorker& action);
  void Do(const EndWorker& action);
  void Do(const PipelinePlanned& action);
  void Do(const PipelineUp& action);
  void Do(const PipelineDown& action);
  void Do(const DrainEnded& action) ABSL_LOCKS_EXCLUDED(mu_);
  void Do(const Note& action);
  void SetPipeline(std::optional<Pipeline> pipeline) ABSL_LOCKS_EXCLUDED(mu_);
  std::shared_ptr<WorkerStream> Find(WorkerId worker) const ABSL_LOCKS_EXCLUDED(mu_);

  const ControllerOptions options_;
  Membership membership_;           // of the thread alone
  uint64_t changes_published_ = 0;  // of the thread alone: see Membership::changes

  mutable Mutex mu_;
  CondVar wake_;
  std::deque<MembershipEvent> events_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<WorkerId, std::shared_ptr<WorkerStream>> streams_ ABSL_GUARDED_BY(mu_);
  ClusterView view_ ABSL_GUARDED_BY(mu_);
  LoadMeter load_ ABSL_GUARDED_BY(mu_);
  std::multimap<std::string, std::function<void(absl::Status)>> drains_ ABSL_GUARDED_BY(mu_);
  WorkerId last_worker_ ABSL_GUARDED_BY(mu_) = 0;
  std::optional<Pipeline> pipeline_ ABSL_GUARDED_BY(mu_);
  bool stop_ ABSL_GUARDED_BY(mu_) = false;

  std::thread thread_;  // last: it uses everything above
};

}  // namespace tern

#endif  // TERN_COORDINATOR_CONTROLLER_H_
