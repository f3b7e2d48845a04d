// SPDX-License-Identifier: MIT
// What workers and the coordinator tell each other, as plain structs. cluster/wire.h turns them to
// and from protobuf and validates them: beyond it nothing is optional or unchecked.
#ifndef TERN_CLUSTER_MESSAGES_H_
#define TERN_CLUSTER_MESSAGES_H_

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "cluster/frame.h"
#include "formats/tensor.h"
#include "model/config.h"
#include "model/kv_cache.h"
#include "model/transformer.h"
#include "partition/worker_profile.h"

namespace tern {

// Raised whenever frames or messages change their meaning. Peers of different numbers refuse each
// other by name.
inline constexpr uint32_t kProtocolVersion = 6;

// A tensor and the digest of its stored bytes: content-addressed, wherever the bytes come from.
struct TensorRef {
  TensorInfo info;
  std::string sha256;
  // In a PrepareStage: data addresses of workers that hold it or will, those to be asked first
  // first.
  std::vector<std::string> peers = {};
};

// Most peers of a tensor.
inline constexpr size_t kMaxPeers = 3;

// A model without its bytes.
struct ModelManifest {
  ModelConfig config;
  std::vector<TensorRef> tensors;
  std::string digest;  // SHA-256 over config and tensors: the model's name in the cluster
};

// --- Worker to coordinator ---

// A core that a worker's process may use.
struct HostCore {
  uint32_t numa_node = 0;
  std::vector<int> cpus;  // its hardware threads, ascending
  bool operator==(const HostCore&) const = default;
};

// The first message: who is there, and which processors it wants. Answered by Welcome.
struct Hello {
  std::string name;     // unique in the cluster, e.g. "host:pid"
  std::string version;  // of the build
  uint32_t protocol = 0;
  std::string host;      // the machine: processors of the same number are the same ones there
  std::string hostname;  // what people call it
  std::vector<HostCore> cores;
  bool automatic = false;  // whichever the coordinator gives
  std::vector<int> cpus;   // if not automatic: these; none: the worker is not pinned
};

// The second one, once the worker has its processors and has measured itself. Its name, version and
// protocol are those of its Hello.
struct RegisterWorker {
  std::string name;               // unique in the cluster, e.g. "host:pid"
  std::string data_address;       // where frames for it go, "host:port"
  std::string unix_address = {};  // and from its own machine, "unix:PATH"; empty: as from others
  std::string version;            // of the build
  uint32_t protocol = 0;          // kProtocolVersion of the build
  std::string machine;            // for people: what topology.ToString() says
  std::string cpuset;             // the processors it took, "0-3"
  std::string isa;                // of the kernels it chose
  uint32_t threads = 0;
  uint64_t memory_bytes = 0;
  WorkerSpeed speed;  // measured
};

struct LoadProgress {
  uint64_t epoch = 0;
  float share = 0;     // [0, 1]
  std::string source;  // where the last tensor came from: "local file", "cache", "a peer" ...
};

// Weights loaded, KV cache allocated.
struct StageReady {
  uint64_t epoch = 0;
  std::string model_digest;
  std::string rope_digest;
  uint64_t bytes_fetched = 0;     // over the network, for this plan
  uint64_t bytes_from_peers = 0;  // of those
};

struct StageCommitted {
  uint64_t epoch = 0;
};

// The stage cannot be loaded or can no longer run.
struct StageFailed {
  uint64_t epoch = 0;
  absl::Status status;
};

struct Heartbeat {
  uint64_t epoch = 0;       // 0: no stage
  uint64_t steps_done = 0;  // of the epoch: a stuck compute loop must not look healthy
  uint64_t steps_queued = 0;
  absl::Duration busy;  // spent computing those done
};

// The answer to ProbeLink.
struct LinkProbed {
  uint64_t number = 0;
  absl::Status status;
  LinkSpeed speed;  // if the status is OK
};

// The answer to PrefetchStage: the stage's tensors are at hand, or why not.
struct StagePrefetched {
  uint64_t epoch = 0;
  absl::Status status;
  uint64_t bytes_fetched = 0;  // over the network
};

// The worker was told to stop: its stream is to be ended, with OK.
struct Leaving {};

using WorkerMessage = std::variant<Hello, RegisterWorker, LoadProgress, StageReady, StageCommitted,
                                   StageFailed, Heartbeat, LinkProbed, StagePrefetched, Leaving>;

// --- Coordinator to worker ---

// The worker may register, and has these processors to itself on its host; none: it is not to be
// pinned. (One that is refused has its stream ended with the reason.)
struct Welcome {
  std::string coordinator_version;
  std::vector<int> cpus;
};

// First phase of a plan: load, allocate, answer StageReady or StageFailed.
struct PrepareStage {
  uint64_t epoch = 0;
  ModelConfig config;
  std::string model_digest;
  std::string rope_digest;
  std::vector<TensorRef> tensors;  // just those of this stage
  std::string model_path;          // where the coordinator found the file; may exist here too
  LayerRange layers;
  uint32_t stage = 0;
  uint32_t stages = 0;
  std::string next_address;            // of the next stage; empty: the coordinator itself
  std::string next_unix_address = {};  // of the same, from its own machine; may be empty
  KvType kv_type = KvType::kF16;
  uint64_t kv_pages = 0;
  uint32_t max_rows = 0;  // of a step
  WireType wire = WireType::kF32;
};

// Second phase: every stage is ready; accept frames of this epoch, answer StageCommitted.
struct CommitStage {
  uint64_t epoch = 0;
};

// The epoch is over: forget its sequences and refuse its frames. Loaded weights may stay.
struct AbandonStage {
  uint64_t epoch = 0;
  std::string reason;
};

// Time the link to a worker's data address; answer LinkProbed.
struct ProbeLink {
  uint64_t number = 0;
  std::string address;
};

// A stage that may be prepared soon, with `stage.epoch`: get its tensors, so that preparing it then
// takes no time; answer StagePrefetched. The present stage goes on. Any other order ends it.
struct PrefetchStage {
  PrepareStage stage;
};

// The worker is not needed any more: it ends, with OK.
struct Dismiss {
  std::string reason;
};

using CoordinatorMessage = std::variant<Welcome, PrepareStage, CommitStage, AbandonStage, ProbeLink,
                                        PrefetchStage, Dismiss>;

}  // namespace tern

#endif  // TERN_CLUSTER_MESSAGES_H_
