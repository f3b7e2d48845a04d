// SPDX-License-Identifier: MIT
// The coordinator: owns the model file, the engine, the cluster's controller and the server with
// all services. What `tern serve` runs.
#ifndef TERN_COORDINATOR_COORDINATOR_H_
#define TERN_COORDINATOR_COORDINATOR_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cluster/frame.h"
#include "model/kv_cache.h"
#include "partition/plan.h"

namespace tern {

struct CoordinatorOptions {
  std::string model_path;
  std::string chat_template;              // a name of text/chat_template.h; empty: as the file says
  std::string listen = "127.0.0.1:7000";  // port 0: any
  uint32_t workers = 2;      // waited for at the start; as many are used if they are there
  uint32_t max_workers = 0;  // used in a pipeline; 0: as many as help
  double move_gain = 0.1;    // a plan that is better by this share is moved to
  // What plans are judged by.
  Objective objective = Objective::kThroughput;
  uint32_t streams = 8;                              // that generate at once
  double prompt_ratio = PlanOptions().prompt_ratio;  // tokens of prompts for each generated one
  uint32_t context = 0;    // most tokens of a sequence; 0: what the model allows
  uint64_t kv_tokens = 0;  // KV cache over all sequences, at least the context; 0: twice that
  KvType kv_type = KvType::kF16;
  uint32_t max_rows = 256;         // of a step
  WireType wire = WireType::kF32;  // of activations between workers
  uint32_t prefill_chunk = 64;     // most prompt rows of one sequence in a step
  // How long requests wait for another pipeline when theirs is lost; 0: they end at once.
  absl::Duration recovery_timeout = absl::Seconds(30);
  std::string metrics;      // where Prometheus may read, "host:port"; empty: nowhere
  bool unix_socket = true;  // listen there, too, for workers on this machine
  bool insecure = false;    // allow addresses that are not on loopback
};

// Thread-safe.
class Coordinator {
 public:
  // Opens and hashes the model, then listens. `progress`, if set, is called with the share hashed.
  // Errors of the model file; INVALID_ARGUMENT for options that cannot be; FAILED_PRECONDITION for
  // an address that cannot be listened on, or is not on loopback without `insecure`.
  static absl::StatusOr<std::unique_ptr<Coordinator>> Create(
      const CoordinatorOptions& options, const std::function<void(float)>& progress = {});

  // Ends every request and every worker's stream.
  ~Coordinator();
  Coordinator(const Coordinator&) = delete;
  Coordinator& operator=(const Coordinator&) = delete;

  // "host:port" where it listens.
  std::string address() const;
  uint16_t port() const;
  // Bytes of weights that left for workers so far.
  uint64_t weight_bytes_sent() const;
  // Where Prometheus may read; 0: nowhere.
  uint16_t metrics_port() const;

  // Takes no new requests from now on, and waits until those there are have ended, or `timeout`
  // passed; whether they have.
  bool Drain(absl::Duration timeout);

 private:
  class Impl;
  explicit Coordinator(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace tern

#endif  // TERN_COORDINATOR_COORDINATOR_H_
