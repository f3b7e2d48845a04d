// SPDX-License-Identifier: MIT
// What one rank of an MPI job runs: its stage, and on rank 0 the engines that feed the pipelines.
#ifndef TERN_TOOLS_MPI_NODE_H_
#define TERN_TOOLS_MPI_NODE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/thread_pool.h"
#include "cluster/inproc_transport.h"
#include "cluster/mpi_transport.h"
#include "coordinator/engine.h"
#include "model/model_file.h"
#include "text/tokenizer.h"
#include "tools/mpi_plan.h"
#include "tools/mpi_report.h"
#include "worker/stage_runner.h"

namespace tern {

struct MpiNodeOptions {
  MpiWorld* world = nullptr;
  const ModelFile* file = nullptr;
  const Tokenizer* tokenizer = nullptr;  // on rank 0
  Kernels kernels;
  ThreadPool* pool = nullptr;
  KvType kv_type = KvType::kF16;
  uint32_t prefill_chunk = 64;
  uint32_t max_rows = 256;
  uint32_t max_queue = 256;             // requests that an engine holds
  std::function<void(float)> progress;  // of loading, in [0, 1]; may be empty
};

// Everything borrowed must outlive the node.
class MpiNode {
 public:
  // Loads the stage that `plan` gives this rank, if any, and listens for its frames. Errors of
  // Stage::Create. A stage that fails later ends the job.
  static absl::StatusOr<std::unique_ptr<MpiNode>> Create(const MpiPlan& plan,
                                                         const MpiNodeOptions& options);
  ~MpiNode();
  MpiNode(const MpiNode&) = delete;
  MpiNode& operator=(const MpiNode&) = delete;

  // On rank 0, once every rank has its node: the engines, one for each replica, with their
  // pipelines up.
  absl::StatusOr<std::vector<Engine*>> StartEngines();

  // Waits until no step is on its way, so that no rank sends to one that has left. REQUIRES that
  // every request has ended.
  void WaitIdle();

  // What this rank holds. REQUIRES that no step is on its way.
  RankMemory Memory() const;

 private:
  MpiNode(const MpiPlan& plan, const MpiNodeOptions& options);

  absl::Status StartStage(size_t replica, size_t stage);
  absl::Status AddEngine(size_t replica);
  absl::Status StartPipeline(size_t replica);

  // The link into stage `stage` of a replica; behind its last stage there is rank 0.
  uint32_t ChannelOf(size_t replica, size_t stage) const;
  int RankOf(size_t replica, size_t stage) const;
  absl::StatusOr<std::unique_ptr<FrameSender>> Connect(size_t replica, size_t stage);
  absl::Status Listen(size_t replica, size_t stage, FrameHandler handler);
  // The first stage of a replica, which is here, took a step: tells the engine.
  void Credit(size_t replica);
  [[noreturn]] void Fail(const absl::Status& status);

  const MpiPlan plan_;
  const MpiNodeOptions options_;
  MpiTransport mpi_;
  InprocTransport local_;  // from this rank to itself

  // In the order in which they depend on those before.
  std::vector<std::unique_ptr<Engine>> engines_;  // [replicas], on rank 0
  std::vector<std::unique_ptr<StageRunner>> runners_;
  std::vector<std::unique_ptr<InprocTransport::Listener>> listeners_;
  std::map<uint32_t, std::unique_ptr<MpiFrameReceiver>> receivers_;  // by channel
};

}  // namespace tern

#endif  // TERN_TOOLS_MPI_NODE_H_
