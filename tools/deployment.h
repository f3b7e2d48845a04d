// SPDX-License-Identifier: MIT
// A model that is served in one way or another, for `tern bench cluster` to compare: by one
// process, by stages within a process, by workers behind a coordinator.
#ifndef TERN_TOOLS_DEPLOYMENT_H_
#define TERN_TOOLS_DEPLOYMENT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "coordinator/engine.h"
#include "text/tokenizer.h"

namespace tern {

struct DeploymentOptions {
  std::string model;
  std::vector<int> cpus;   // one thread is pinned to each
  uint64_t kv_tokens = 0;  // over all sequences
  std::string scratch;     // a folder for caches and sockets
  uint32_t streams = 1;    // to plan for
};

// Thread-safe.
class Deployment {
 public:
  virtual ~Deployment() = default;

  // Continues `prompt` greedily by just so many tokens, past any end of text; returns when it is
  // done. `on_token` is called after each, from one thread.
  virtual absl::Status Generate(const std::vector<TokenId>& prompt, uint32_t tokens,
                                const std::function<void()>& on_token) = 0;

  // Of its engine; nothing if that is out of reach.
  virtual std::optional<Engine::Stats> stats() const = 0;
};

// How workers find their neighbours.
enum class Links { kUnixSockets, kTcp };

// Within this process: `stages` stages that share out the threads.
absl::StatusOr<std::unique_ptr<Deployment>> DeployLocally(const DeploymentOptions& options,
                                                          uint32_t stages);

// A coordinator and a worker for each processor, with connections as between processes; answers
// when they serve. DEADLINE_EXCEEDED if they do not within a minute; errors of Coordinator and
// WorkerDaemon.
absl::StatusOr<std::unique_ptr<Deployment>> DeployWorkers(const DeploymentOptions& options,
                                                          Links links);

}  // namespace tern

#endif  // TERN_TOOLS_DEPLOYMENT_H_
