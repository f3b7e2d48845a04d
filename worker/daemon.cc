// SPDX-License-Identifier: MIT
#include "worker/daemon.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/affinity.h"
#include "base/cache_directory.h"
#include "base/cpuset.h"
#include "base/host_id.h"
#include "base/human_bytes.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/thread_pool.h"
#include "base/topology.h"
#include "base/version.h"
#include "cluster/address.h"
#include "cluster/cache_lease.h"
#include "cluster/clock.h"
#include "cluster/grpc_receiver.h"
#include "cluster/grpc_transport.h"
#include "cluster/grpc_util.h"
#include "cluster/link_sessions.h"
#include "cluster/membership.h"
#include "cluster/tensor_shelf.h"
#include "cluster/unix_receiver.h"
#include "cluster/weights_service.h"
#include "metrics/metrics_server.h"
#include "worker/known_speed.h"
#include "worker/session.h"
#include "worker/worker_counts.h"
#include "worker/worker_metrics.h"

namespace tern {
namespace {

constexpr absl::Duration kFirstPause = absl::Milliseconds(100);
constexpr absl::Duration kLastPause = absl::Seconds(2);
// How long a name or processors that are taken may be those of our own former connection, whose
// lease has not ended.
constexpr absl::Duration kTakenPatience = absl::Seconds(10);

std::string Hostname() {
  char host[256] = "worker";
  gethostname(host, sizeof(host) - 1);
  return host;
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

std::vector<HostCore> HostCores(const Topology& topology) {
  std::vector<HostCore> cores;
  for (const Core& core : topology.cores) {
    cores.push_back({static_cast<uint32_t>(core.numa_node), core.cpus});
  }
  return cores;
}

// The processors of the cores that `cpus` are on, without the `pinned`: nobody else is given them.
std::vector<int> LeftOver(const Topology& topology, const std::vector<int>& cpus,
                          std::span<const int> pinned) {
  const auto has = [](std::span<const int> set, int cpu) {
    return std::find(set.begin(), set.end(), cpu) != set.end();
  };
  std::vector<int> left;
  for (const Core& core : topology.cores) {
    if (std::none_of(core.cpus.begin(), core.cpus.end(), [&](int cpu) { return has(cpus, cpu); })) {
      continue;
    }
    std::copy_if(core.cpus.begin(), core.cpus.end(), std::back_inserter(left),
                 [&](int cpu) { return !has(pinned, cpu); });
  }
  return left;
}

// The model's file, if one is named: a wrong name would show only by how long the start takes.
absl::Status CheckModel(const std::string& path) {
  std::error_code error;
  if (path.empty() || std::filesystem::exists(path, error)) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("--model ", path, ": found no such file or directory"));
}

// Only a warning: who has all tensors in a local file can do without a cache.
void WarnUnlessWritable(const std::string& cache_directory) {
  const absl::Status status = CacheLease::Take(cache_directory, {}).status();
  if (status.ok()) return;
  LogWarning("cache directory: ", status.message(),
             "; only weights of a local file can be used, and nothing is remembered");
}

// Whether the worker may only seem to be refused: see kTakenPatience.
bool IsTaken(const absl::Status& status) {
  return absl::IsAlreadyExists(status) || absl::IsResourceExhausted(status);
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
  Topology topology;
  Hello hello;
  Kernels kernels;
  uint16_t port = 0;
  std::string data_address;
  std::unique_ptr<ThreadPool> pool;  // from the first welcome on, as is the registration
  RegisterWorker registration;
  LinkSessions sessions;
  GrpcReceiver receiver{sessions};
  std::unique_ptr<UnixReceiver> unix_receiver;  // may be null
  TensorShelf shelf;
  WeightsService weights{[this](const std::string& sha256) { return shelf.Find(sha256); }};
  std::unique_ptr<grpc::Server> server;
  WorkerCounts counts;
  std::unique_ptr<MetricsServer> metrics;

  absl::Status StartMetrics() ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status Run() ABSL_LOCKS_EXCLUDED(mu_);
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

  ~Impl() {
    if (server != nullptr) server->Shutdown(std::chrono::system_clock::now());
  }

 private:
  absl::StatusOr<WorkerSetup> SetUp(const Welcome& welcome);
  absl::Status TakeProcessors(const std::vector<int>& cpus);
  size_t ThreadsFor(const std::vector<int>& cpus) const;
  absl::Status PlaceOtherThreads(const std::vector<int>& cpus, size_t threads) const;
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
  absl::Time taken_since = absl::InfiniteFuture();
  bool said_waiting = false;
  while (true) {
    WorkerSession session(options.coordinator, hello,
                          [this](const Welcome& welcome) { return SetUp(welcome); });
    if (!Begin(&session)) return absl::OkStatus();
    const absl::Status status = session.Run();
    if (!End() || session.dismissed()) return absl::OkStatus();
    if (session.welcomed()) {
      pause = kFirstPause;
      taken_since = absl::InfiniteFuture();
      said_waiting = false;
      LogWarning("lost the coordinator: ", status.ok() ? "it stopped" : status.message(),
                 "; joining again");
    }
    if (IsFinal(status)) return status;
    if (IsTaken(status)) {
      if (taken_since == absl::InfiniteFuture()) {
        taken_since = MonotonicNow();
        LogWarning("refused: ", status.message(), "; trying again for ",
                   absl::FormatDuration(kTakenPatience));
      }
      if (MonotonicNow() - taken_since > kTakenPatience) return status;
    } else if (!said_waiting && !session.welcomed()) {
      LogInfo("waiting for the coordinator at ", options.coordinator);
      said_waiting = true;
    }
    if (!Pause(pause)) return absl::OkStatus();
    pause = std::min(2 * pause, kLastPause);
  }
}

absl::StatusOr<WorkerSetup> WorkerDaemon::Impl::SetUp(const Welcome& welcome) {
  if (pool == nullptr) TERN_RETURN_IF_ERROR(TakeProcessors(welcome.cpus));
  return WorkerSetup{registration, HostOptions()};
}

// Once: a worker that joins again asks for what it has.
absl::Status WorkerDaemon::Impl::TakeProcessors(const std::vector<int>& cpus) {
  hello.automatic = false;
  hello.cpus = cpus;
  const int node = topology.NodeOf(cpus);
  if (node >= 0) {
    const absl::Status preferred = PreferMemoryOf(node);
    if (!preferred.ok()) LogWarning(preferred.message());
  }
  const size_t threads = ThreadsFor(cpus);
  TERN_RETURN_IF_ERROR(PlaceOtherThreads(cpus, threads));
  TERN_ASSIGN_OR_RETURN(pool, ThreadPool::Create({.threads = threads, .cpus = cpus}));
  SpeedOrigin speed;
  if (options.speed.has_value()) {
    speed.speed = *options.speed;
  } else {
    const KnownSpeed known(options.cache_directory, topology, cpus, kernels, threads);
    TERN_ASSIGN_OR_RETURN(speed, FindOrMeasureSpeed(known, options.measure, kernels, *pool));
  }
  registration = {.name = hello.name,
                  .data_address = data_address,
                  .unix_address = unix_receiver == nullptr ? "" : unix_receiver->address(),
                  .version = hello.version,
                  .protocol = hello.protocol,
                  .machine = topology.ToString(),
                  .cpuset = CpusetName(cpus),
                  .isa = IsaName(kernels.isa),
                  .threads = static_cast<uint32_t>(threads),
                  .memory_bytes = options.memory_bytes == 0 ? topology.MemoryBeside(cpus)
                                                            : options.memory_bytes,
                  .speed = speed.speed};
  LogInfo("took cpus ", registration.cpuset, node >= 0 ? absl::StrCat(" of NUMA node ", node) : "",
          " (", threads, threads == 1 ? " thread" : " threads", "), kernels ", registration.isa,
          speed.is_remembered ? ", measured before: " : ", measured ",
          absl::StrFormat("%.1f", 1 / speed.speed.ternary.For(1)), " G weights/s; offers ",
          HumanBytes(static_cast<double>(registration.memory_bytes)));
  return absl::OkStatus();
}

// One for each processor, but threads beyond a quota would only make each other wait.
size_t WorkerDaemon::Impl::ThreadsFor(const std::vector<int>& cpus) const {
  if (options.threads > 0) return options.threads;
  const size_t processors = cpus.empty() ? topology.cores.size() : cpus.size();
  const double quota = std::ceil(topology.processor_quota);
  if (quota == 0 || quota >= static_cast<double>(processors)) return processors;
  LogWarning("the control group's quota is ", absl::StrFormat("%.4g", topology.processor_quota),
             " processors: found ", processors, ", using as many threads as the quota keeps busy");
  return static_cast<size_t>(quota);
}

// Before there are compute threads: those will be pinned, all others stay where this puts them.
absl::Status WorkerDaemon::Impl::PlaceOtherThreads(const std::vector<int>& cpus,
                                                   size_t threads) const {
  if (!options.confine_threads || cpus.empty()) return absl::OkStatus();
  const std::vector<int> left =
      LeftOver(topology, cpus, std::span(cpus).first(std::min(threads, cpus.size())));
  if (left.empty()) {
    LogInfo(
        "communication shares the compute threads' processors: no other is left of their cores");
    return absl::OkStatus();
  }
  LogInfo("communication runs on cpus ", CpusetName(left));
  return ConfineThreads(left);
}

StageHostOptions WorkerDaemon::Impl::HostOptions() {
  return {
      .kernels = kernels,
      .pool = pool.get(),
      .receiver = &sessions,
      .make_transport = [](uint64_t epoch,
                           WireType wire) { return std::make_unique<GrpcTransport>(epoch, wire); },
      .coordinator_address = "",
      .model_path = options.model_path,
      .cache_directory = options.cache_directory,
      .cache_limit_bytes = options.cache_limit_bytes,
      .shelf = &shelf,
      .fetch = {},
      .counts = &counts};
}

absl::Status WorkerDaemon::Impl::StartMetrics() {
  TERN_ASSIGN_OR_RETURN(Address address, ParseAddress("--metrics", options.metrics));
  TERN_RETURN_IF_ERROR(CheckPlaintext("--metrics", address, options.insecure));
  const auto collect = [this] { return WorkerMetrics(counts, kVersion); };
  TERN_ASSIGN_OR_RETURN(metrics, MetricsServer::Start(address.ToString(), collect));
  address.port = metrics->port();
  LogInfo("metrics at http://", address.ToString(), "/metrics");
  return absl::OkStatus();
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
  if (session_ != nullptr) session_->Leave();
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
  TERN_RETURN_IF_ERROR(CheckModel(options.model_path));
  WarnUnlessWritable(impl->options.cache_directory);

  TERN_ASSIGN_OR_RETURN(impl->topology, DetectTopology());
  TERN_ASSIGN_OR_RETURN(const std::vector<int> cpus, ParseCpuset(options.cpuset, impl->topology));
  TERN_ASSIGN_OR_RETURN(impl->kernels, ChooseKernels(options.kernel));
  impl->kernels.may_cache = true;
  impl->kernels.l2_bytes = impl->topology.l2_bytes;
  TERN_ASSIGN_OR_RETURN(ListeningServer listening,
                        Listen(listen, {impl->receiver.service(), impl->weights.service()}));
  impl->server = std::move(listening.server);
  impl->port = listening.address.port;
  if (options.unix_socket) impl->unix_receiver = UnixReceiver::StartOrNone(impl->sessions);
  TERN_ASSIGN_OR_RETURN(impl->data_address, AdvertisedAddress(options, listening.address));
  const std::string hostname = Hostname();
  impl->hello = {
      .name = options.name.empty() ? absl::StrCat(hostname, ":", getpid()) : options.name,
      .version = options.version.empty() ? kVersion : options.version,
      .protocol = kProtocolVersion,
      .host = options.host.empty() ? HostId() : options.host,
      .hostname = hostname,
      .cores = HostCores(impl->topology),
      .automatic = options.cpuset == "auto",
      .cpus = options.cpuset == "auto" ? std::vector<int>() : cpus};
  LogInfo("machine: ", impl->topology.ToString());
  LogInfo("frames come in at ", impl->data_address);
  if (!options.metrics.empty()) TERN_RETURN_IF_ERROR(impl->StartMetrics());
  return std::unique_ptr<WorkerDaemon>(new WorkerDaemon(std::move(impl)));
}

WorkerDaemon::WorkerDaemon(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
WorkerDaemon::~WorkerDaemon() = default;

absl::Status WorkerDaemon::Run() { return impl_->Run(); }
void WorkerDaemon::Stop() { impl_->Stop(); }

const WorkerCounts& WorkerDaemon::counts() const { return impl_->counts; }

uint16_t WorkerDaemon::port() const { return impl_->port; }

uint16_t WorkerDaemon::metrics_port() const {
  return impl_->metrics == nullptr ? 0 : impl_->metrics->port();
}

}  // namespace tern
