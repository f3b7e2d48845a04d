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
#include "model/config.h"
#include "partition/plan.h"
#include "partition/prediction.h"
#include "partition/worker_profile.h"
#include "text/tokenizer.h"

namespace tern {

struct DeploymentOptions {
  std::string model;
  ModelConfig config;                                // the model's
  std::vector<int> cpus;                             // one thread is pinned to each
  uint64_t kv_tokens = 0;                            // over all sequences
  std::string scratch;                               // a folder for caches and sockets
  uint32_t streams = 1;                              // to plan for
  double prompt_ratio = PlanOptions().prompt_ratio;  // the same
  uint32_t link_mbit = 0;  // Mbit/s in each direction of Links::kSlowTcp, which want some
};

// Of clients that ask for nothing; they end with it.
class HeldStreams {
 public:
  virtual ~HeldStreams() = default;
};

// Thread-safe.
class Deployment {
 public:
  virtual ~Deployment() = default;

  // Continues `prompt` greedily by so many tokens, past any end of text; returns when it is done.
  // `on_token` is called after each, from one thread; when it is false, the request ends there.
  virtual absl::Status Generate(const std::vector<TokenId>& prompt, uint32_t tokens,
                                const std::function<bool()>& on_token) = 0;

  // Of its engine; nothing if that is out of reach.
  virtual std::optional<Engine::Stats> stats() const { return std::nullopt; }

  // That its stages have computed so far; nothing if that is out of reach.
  virtual std::optional<double> ComputeSeconds() const { return std::nullopt; }

  // What the planner expects of workers that compute at `speeds`, in the order of the processors:
  // while the sequences that it plans for generate with `cached_tokens` each, and of a prompt that
  // is alone. Nothing if nobody planned. UNAVAILABLE if nothing serves.
  virtual absl::StatusOr<std::optional<Prediction>> Predict(
      const std::vector<WorkerSpeed>& /*speeds*/, uint32_t /*cached_tokens*/,
      uint32_t /*prompt*/) const {
    return std::nullopt;
  }

  // The slowest of the links between its workers, as they probed them; nothing if there are none.
  // UNAVAILABLE if nothing answers.
  virtual absl::StatusOr<std::optional<LinkSpeed>> SlowestLink() const { return std::nullopt; }

  // Opens so many streams at its coordinator, each on a connection of its own, and asks for nothing
  // on them; null if it has no coordinator. Errors of OpenIdleStreams (tools/idle_streams.h).
  virtual absl::StatusOr<std::unique_ptr<HeldStreams>> HoldIdleStreams(uint32_t /*streams*/) {
    return nullptr;
  }
};

// How workers find each other and the coordinator.
enum class Links : uint8_t {
  kUnixSockets,
  kTcp,
  kSlowTcp,  // a wire of DeploymentOptions::link_mbit to each process (tools/relay.h)
};

// Within this process: `stages` stages that share out the threads.
absl::StatusOr<std::unique_ptr<Deployment>> DeployLocally(const DeploymentOptions& options,
                                                          uint32_t stages);

// A coordinator and a worker for each processor, with connections as between processes; answers
// when they serve. DEADLINE_EXCEEDED if they do not within ten minutes; errors of Coordinator and
// WorkerDaemon.
absl::StatusOr<std::unique_ptr<Deployment>> DeployWorkers(const DeploymentOptions& options,
                                                          Links links);

}  // namespace tern

#endif  // TERN_TOOLS_DEPLOYMENT_H_
