// SPDX-License-Identifier: MIT
// A worker process: takes cores, joins a coordinator, computes the stages that it is given, and
// joins again when the connection is lost.
#ifndef TERN_WORKER_DAEMON_H_
#define TERN_WORKER_DAEMON_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "partition/worker_profile.h"
#include "worker/worker_counts.h"

namespace tern {

struct WorkerOptions {
  std::string coordinator;             // "host:port"
  std::string listen = "127.0.0.1:0";  // where frames come in; port 0: any
  std::string advertise;               // what others call that address; empty: as it is
  bool unix_socket = true;             // listen there, too, for others on this machine
  std::string name;                    // unique in the cluster; empty: "host:pid"
  size_t threads = 0;                  // 0: one for each processor taken
  // See ParseCpuset; "auto": a NUMA node of this host that no other worker of the cluster is on, as
  // the coordinator says.
  std::string cpuset = "auto";
  // Keep this process' other threads off the compute threads' processors, where there is room. For
  // a process that is nothing but a worker.
  bool confine_threads = false;
  std::string host;             // names this machine; empty: its boot id
  uint64_t memory_bytes = 0;    // that weights and KV cache may take; 0: its cores' share
  std::string model_path;       // a local copy of the model; may be empty
  std::string cache_directory;  // empty: ${XDG_CACHE_HOME:-~/.cache}/tern
  uint64_t cache_limit_bytes = uint64_t{50} << 30;  // of fetched tensors in it
  std::string kernel;                               // see ChooseKernels
  // Taken as measured (tests); nothing: as this machine's cache remembers it, else it measures
  // itself.
  std::optional<WorkerSpeed> speed;
  bool measure = false;   // again, even if it is remembered
  std::string version;    // of the build; empty: this one's (tests say another)
  std::string metrics;    // where Prometheus may read, "host:port"; empty: nowhere
  bool insecure = false;  // allow addresses that are not on loopback
};

// Thread-safe.
class WorkerDaemon {
 public:
  // Listens for frames. INVALID_ARGUMENT for options that cannot be, NOT_FOUND if there is no file
  // `model_path`; FAILED_PRECONDITION for an address that cannot be listened on, or is not on
  // loopback without `insecure`.
  static absl::StatusOr<std::unique_ptr<WorkerDaemon>> Create(const WorkerOptions& options);

  ~WorkerDaemon();
  WorkerDaemon(const WorkerDaemon&) = delete;
  WorkerDaemon& operator=(const WorkerDaemon&) = delete;

  // Joins the coordinator, which says where the compute threads are pinned; measures its speed
  // (worker/known_speed.h); and works for it, again and again until Stop: OK then, and when the
  // coordinator has drained the worker. Ends otherwise only if it is refused for good:
  // FAILED_PRECONDITION for another version or processors that cannot be pinned to,
  // INVALID_ARGUMENT for a message that the coordinator does not understand, ALREADY_EXISTS for a
  // name and RESOURCE_EXHAUSTED for processors that stay taken. May be called once.
  absl::Status Run();

  // Ends Run, soon. Does nothing the second time.
  void Stop();

  // Where frames come in, whatever others are told (`advertise`).
  uint16_t port() const;
  // Where Prometheus may read; 0: nowhere.
  uint16_t metrics_port() const;

  const WorkerCounts& counts() const;

 private:
  class Impl;
  explicit WorkerDaemon(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace tern

#endif  // TERN_WORKER_DAEMON_H_
