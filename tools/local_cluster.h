// SPDX-License-Identifier: MIT
// A whole cluster inside this process: the stages of a model, each with threads of its own, linked
// by the in-process transport, and the engine that runs requests over them.
#ifndef TERN_TOOLS_LOCAL_CLUSTER_H_
#define TERN_TOOLS_LOCAL_CLUSTER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/thread_pool.h"
#include "cluster/inproc_transport.h"
#include "coordinator/engine.h"
#include "model/model_file.h"
#include "text/tokenizer.h"
#include "worker/stage_runner.h"

namespace tern {

struct LocalClusterOptions {
  uint32_t stages = 1;
  std::vector<uint32_t> layers;  // of each stage; empty: shared out evenly
  size_t threads = 1;            // of each stage
  std::vector<int> cpus;   // to pin to, stage after stage, over again if they run out; empty: none
  std::string isa;         // see ChooseKernels
  bool may_cache = false;  // see Kernels
  size_t l2_bytes = 0;     // see Kernels
  KvType kv_type = KvType::kF16;
  uint32_t context = 0;    // most tokens of a sequence; 0: what the model allows
  uint64_t kv_tokens = 0;  // KV cache over all sequences; the context if that is more
  uint32_t prefill_chunk = 64;
  uint32_t max_rows = 256;
  uint32_t max_queue = 1024;
  bool prefix_cache = true;
  uint64_t memory_bytes = 0;            // that weights and KV cache may take; 0: not checked
  std::function<void(float)> progress;  // of loading, in [0, 1]; may be empty
};

// Thread-safe but for stage(). The destructor ends every request with CANCELLED.
class LocalCluster {
 public:
  // Loads the GGUF model at `path` and starts the pipeline. INVALID_ARGUMENT for options that do
  // not fit the model, RESOURCE_EXHAUSTED if it needs more than memory_bytes; errors of the file,
  // the kernels and the stages.
  static absl::StatusOr<std::unique_ptr<LocalCluster>> Open(const std::string& path,
                                                            const LocalClusterOptions& options);

  ~LocalCluster();
  LocalCluster(const LocalCluster&) = delete;
  LocalCluster& operator=(const LocalCluster&) = delete;

  const ModelConfig& config() const { return config_; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  Engine& engine() { return *engine_; }

  size_t stages() const { return parts_.size(); }
  // For tests: REQUIRES that no step is in flight (Engine::WaitIdle).
  const Stage& stage(size_t index) const { return parts_[index].runner->stage(); }
  // For tests: stage i listens at "stage i".
  InprocTransport& transport() { return transport_; }

 private:
  // A stage and what it needs. Members in the order in which they depend on those before.
  struct Part {
    std::unique_ptr<ThreadPool> pool;
    std::unique_ptr<StageRunner> runner;
    std::unique_ptr<InprocTransport::Listener> listener;
  };

  LocalCluster(std::unique_ptr<ModelFile> file, std::unique_ptr<Tokenizer> tokenizer);

  absl::Status Start(const LocalClusterOptions& options);
  absl::StatusOr<Part> StartStage(size_t index, LayerRange layers, const Kernels& kernels,
                                  const LocalClusterOptions& options);

  const std::unique_ptr<ModelFile> file_;
  const ModelConfig config_;
  const std::unique_ptr<Tokenizer> tokenizer_;
  InprocTransport transport_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<InprocTransport::Listener> results_;  // where the last stage sends
  std::vector<Part> parts_;                             // [stages]
};

}  // namespace tern

#endif  // TERN_TOOLS_LOCAL_CLUSTER_H_
