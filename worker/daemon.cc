// SPDX-License-Identifier: MIT
#include "worker/daemon.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/cache_directory.h"
#include "base/cpuset.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/thread_pool.h"
#include "base/topology.h"
#include "base/version.h"
#include "cluster/address.h"
#include "cluster/clock.h"
#include "cluster/grpc_transport.h"
#include "cluster/grpc_util.h"
#include "cluster/membership.h"
#include "cluster/tensor_shelf.h"
#include "cluster/weights_service.h"
#include "worker/session.h"
#include "worker/speed.h"

namespace tern {
namespace {

constexpr absl::Duration kFirstPause = absl::Milliseconds(100);
constexpr absl::Duration kLastPause = absl::Seconds(2);
// How long a name that is taken may be that of our own former connection, whose lease has not
// ended.
constexpr absl::Duration kNamePatience = absl::Seconds(10);

std::string DefaultName() {
  char host[256] = "worker";
  gethostname(host, sizeof(host) - 1);
  return absl::StrCat(host, ":", getpid());
}

bool IsWildcard(const std::string& host) { return host == "0.0.0.0" || host == "::"; }

// The address that other workers are told.
absl::StatusOr<std::string> AdvertisedAddress(const WorkerOptions& options,
                                              const Address& listening) {
  if (!options.advertise.empty()) {
    TERN_ASSIGN_OR_RETURN(Address advertised, ParseAddress("--advertise", options.advertise));
    if (advertised.port == 0) advertised.port = listening.port;
    return advertised.ToString();
  }
  if (IsWildcard(listening.host)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--listen ", listening.host,
                     ": others cannot connect to that; give --advertise HOST:PORT"));
  }
  return listening.ToString();
}

// Whether trying again later cannot help.
bool IsFinal(const absl::Status& status) {
  return absl::IsFailedPrecondition(status) || absl::IsInvalidArgument(status) ||
         absl::IsUnimplemented(status);
}

}  // namespace

class WorkerDaemon::Impl {
 public:
  // Members in the order in which they depend on those before.
  WorkerOptions options;
  std::unique_ptr<ThreadPool> pool;
  Kernels kernels;
  RegisterWorker registration;
  GrpcFrameReceiver receiver;
  TensorShelf shelf;
  WeightsService weights{[this](const std::string& sha256) { return shelf.Find(sha256); }};
  std::unique_ptr<grpc::Server> server;

  absl::Status Run() ABSL_LOCKS_EXCLUDED(mu_);
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

  ~Impl() {
    if (server != nullptr) server->Shutdown(std::chrono::system_clock::now());
  }

 private:
  StageHostOptions HostOptions();
  // Each is false if Stop was called.
  bool Begin(WorkerSession* session) ABSL_LOCKS_EXCLUDED(mu_);  // Stop will cancel it
  bool End() ABSL_LOCKS_EXCLUDED(mu_);
  bool Pause(absl::Duration pause) ABSL_LOCKS_EXCLUDED(mu_);

  Mutex mu_;
  CondVar wake_;
  WorkerSession* session_ ABSL_GUARDED_BY(mu_) = nullptr;
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
};

absl::Status WorkerDaemon::Impl::Run() {
  absl::Duration pause = kFirstPause;
  absl::Time name_taken_since = absl::InfiniteFuture();
  bool said_waiting = false;
  while (true) {
    WorkerSession session(options.coordinator, registration, HostOptions());
    if (!Begin(&session)) return absl::OkStatus();
    const absl::Status status = session.Run();
    if (!End()) return absl::OkStatus();
    if (session.welcomed()) {
      pause = kFirstPause;
      name_taken_since = absl::InfiniteFuture();
      said_waiting = false;
      LogWarning("lost the coordinator: ", status.ok() ? "it stopped" : status.message(),
                 "; joining again");
    }
    if (IsFinal(status)) return status;
    if (absl::IsAlreadyExists(status)) {
      name_taken_since = std::min(name_taken_since, MonotonicNow());
      if (MonotonicNow() - name_taken_since > kNamePatience) return status;
    } else if (!said_waiting && !session.welcomed()) {
      LogInfo("waiting for the coordinator at ", options.coordinator);
      said_waiting = true;
    }
    if (!Pause(pause)) return absl::OkStatus();
    pause = std::min(2 * pause, kLastPause);
  }
}

StageHostOptions WorkerDaemon::Impl::HostOptions() {
  return {.kernels = kernels,
          .pool = pool.get(),
          .receiver = &receiver,
          .make_transport = [](uint64_t epoch) { return std::make_unique<GrpcTransport>(epoch); },
          .coordinator_address = "",
          .model_path = options.model_path,
          .cache_directory = options.cache_directory,
          .cache_limit_bytes = options.cache_limit_bytes,
          .shelf = &shelf,
          .fetch = {}};
}

bool WorkerDaemon::Impl::Begin(WorkerSession* session) {
  MutexLock lock(mu_);
  session_ = session;
  return !stop_;
}

bool WorkerDaemon::Impl::End() {
  MutexLock lock(mu_);
  session_ = nullptr;
  return !stop_;
}

bool WorkerDaemon::Impl::Pause(absl::Duration pause) {
  const absl::Time end = MonotonicNow() + pause;
  MutexLock lock(mu_);
  while (!stop_ && MonotonicNow() < end) wake_.WaitFor(mu_, end - MonotonicNow());
  return !stop_;
}

void WorkerDaemon::Impl::Stop() {
  MutexLock lock(mu_);
  stop_ = true;
  if (session_ != nullptr) session_->Cancel();
  wake_.NotifyAll();
}

absl::StatusOr<std::unique_ptr<WorkerDaemon>> WorkerDaemon::Create(const WorkerOptions& options) {
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  TERN_ASSIGN_OR_RETURN(const Address coordinator,
                        ParseAddress("--coordinator", options.coordinator));
  TERN_ASSIGN_OR_RETURN(const Address listen, ParseAddress("--listen", options.listen));
  TERN_RETURN_IF_ERROR(CheckPlaintext("--coordinator", coordinator, options.insecure));
  TERN_RETURN_IF_ERROR(CheckPlaintext("--listen", listen, options.insecure));
  if (options.cache_directory.empty()) {
    impl->options.cache_directory = DefaultCacheDirectory();
    if (impl->options.cache_directory.empty()) {
      return absl::InvalidArgumentError(
          "cache directory: neither XDG_CACHE_HOME nor HOME is set; give --cache-dir");
    }
  }

  TERN_ASSIGN_OR_RETURN(const Topology topology, DetectTopology());
  TERN_ASSIGN_OR_RETURN(const std::vector<int> cpus, ParseCpuset(options.cpuset, topology));
  const size_t processors = cpus.empty() ? topology.cores.size() : cpus.size();
  const size_t threads = options.threads == 0 ? processors : options.threads;
  TERN_ASSIGN_OR_RETURN(impl->kernels, ChooseKernels(options.kernel));
  impl->kernels.may_cache = true;
  impl->kernels.l2_bytes = topology.l2_bytes;
  TERN_ASSIGN_OR_RETURN(impl->pool, ThreadPool::Create({.threads = threads, .cpus = cpus}));
  TERN_ASSIGN_OR_RETURN(const WorkerSpeed speed, MeasureSpeed(impl->kernels, *impl->pool));

  TERN_ASSIGN_OR_RETURN(ListeningServer listening,
                        Listen(listen, {impl->receiver.service(), impl->weights.service()}));
  impl->server = std::move(listening.server);
  TERN_ASSIGN_OR_RETURN(const std::string advertised,
                        AdvertisedAddress(options, listening.address));
  impl->registration = {.name = options.name.empty() ? DefaultName() : options.name,
                        .data_address = advertised,
                        .version = options.version.empty() ? kVersion : options.version,
                        .protocol = kProtocolVersion,
                        .machine = topology.ToString(),
                        .cpuset = CpusetName(cpus),
                        .isa = IsaName(impl->kernels.isa),
                        .threads = static_cast<uint32_t>(threads),
                        .memory_bytes = options.memory_bytes == 0 ? topology.MemoryBeside(cpus)
                                                                  : options.memory_bytes,
                        .speed = speed};
  LogInfo("machine: ", topology.ToString());
  LogInfo("took cpus ", impl->registration.cpuset, " (", threads,
          threads == 1 ? " thread" : " threads", "), kernels ", impl->registration.isa,
          ", measured ", absl::StrFormat("%.1f", 1 / speed.ternary.For(1)), " G weights/s");
  LogInfo("frames come in at ", advertised);
  return std::unique_ptr<WorkerDaemon>(new WorkerDaemon(std::move(impl)));
}

WorkerDaemon::WorkerDaemon(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
WorkerDaemon::~WorkerDaemon() = default;

absl::Status WorkerDaemon::Run() { return impl_->Run(); }
void WorkerDaemon::Stop() { impl_->Stop(); }

}  // namespace tern
