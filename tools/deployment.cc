// SPDX-License-Identifier: MIT
#include "tools/deployment.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "base/status_macros.h"
#include "cluster/grpc_util.h"
#include "coordinator/coordinator.h"
#include "partition/cost_model.h"
#include "proto/inference.grpc.pb.h"
#include "tools/client.h"
#include "tools/cluster_profile.h"
#include "tools/cluster_status.h"
#include "tools/idle_streams.h"
#include "tools/local_cluster.h"
#include "tools/relay.h"
#include "worker/daemon.h"

namespace tern {
namespace {

// Tells the caller of Generate about a request of an engine.
class Waiter final : public GenerationListener {
 public:
  explicit Waiter(const std::function<bool()>& on_token) : on_token_(on_token) {}

  void OnToken(const GeneratedToken&) override {
    if (enough_ || on_token_()) return;
    enough_ = true;
    has_enough_.Notify();
  }
  void OnFinish(FinishReason, const std::string&, const absl::Status& status,
                const GenerationStats&) override {
    if (!enough_) has_enough_.Notify();
    status_ = enough_ ? absl::OkStatus() : status;
    done_.Notify();
  }

  void WaitForEnough() { has_enough_.WaitForNotification(); }
  absl::Status Wait() {
    done_.WaitForNotification();
    return status_;
  }

 private:
  const std::function<bool()>& on_token_;
  bool enough_ = false;  // only the engine's thread looks at it
  absl::Status status_;
  absl::Notification has_enough_, done_;
};

class LocalDeployment final : public Deployment {
 public:
  explicit LocalDeployment(std::unique_ptr<LocalCluster> cluster) : cluster_(std::move(cluster)) {}

  absl::Status Generate(const std::vector<TokenId>& prompt, uint32_t tokens,
                        const std::function<bool()>& on_token) override {
    GenerationRequest request;
    request.prompt = prompt;
    request.max_tokens = tokens;
    request.sampling.temperature = 0;
    const auto waiter = std::make_shared<Waiter>(on_token);
    const RequestId id = cluster_->engine().Submit(std::move(request), waiter);
    waiter->WaitForEnough();
    cluster_->engine().Cancel(id);  // nothing, if it has ended
    return waiter->Wait();
  }

  std::optional<Engine::Stats> stats() const override { return cluster_->engine().stats(); }

 private:
  const std::unique_ptr<LocalCluster> cluster_;
};

// A worker and the thread that runs it.
class RunningWorker {
 public:
  static absl::StatusOr<std::unique_ptr<RunningWorker>> Start(const WorkerOptions& options) {
    TERN_ASSIGN_OR_RETURN(std::unique_ptr<WorkerDaemon> daemon, WorkerDaemon::Create(options));
    return std::make_unique<RunningWorker>(std::move(daemon));
  }
  explicit RunningWorker(std::unique_ptr<WorkerDaemon> daemon)
      : daemon_(std::move(daemon)), thread_([this] { daemon_->Run().IgnoreError(); }) {}
  ~RunningWorker() {
    daemon_->Stop();
    thread_.join();
  }

  uint16_t port() const { return daemon_->port(); }
  double compute_seconds() const { return daemon_->counts().step_times.snapshot().sum; }

 private:
  const std::unique_ptr<WorkerDaemon> daemon_;
  std::thread thread_;
};

std::string NameOf(int cpu) { return absl::StrCat("cpu-", cpu); }

class WorkerDeployment final : public Deployment {
 public:
  WorkerDeployment(std::vector<std::unique_ptr<Relay>> relays,
                   std::unique_ptr<Coordinator> coordinator,
                   std::vector<std::unique_ptr<RunningWorker>> workers,
                   const DeploymentOptions& deployment, const CoordinatorOptions& options)
      : relays_(std::move(relays)),
        coordinator_(std::move(coordinator)),
        workers_(std::move(workers)),
        config_(deployment.config),
        cpus_(deployment.cpus),
        options_(options),
        stub_(v1::Inference::NewStub(ConnectTo(coordinator_->address()))) {}

  absl::Status Generate(const std::vector<TokenId>& prompt, uint32_t tokens,
                        const std::function<bool()>& on_token) override {
    v1::GenerateRequest request;
    for (const TokenId token : prompt) {
      request.mutable_tokens()->add_ids(static_cast<uint32_t>(token));
    }
    request.mutable_sampling()->set_temperature(0);
    request.mutable_limits()->set_max_tokens(tokens);
    request.mutable_limits()->set_ignore_eos(true);
    grpc::ClientContext context;
    const auto reader = stub_->Generate(&context, request);
    v1::GenerateResponse response;
    bool enough = false;
    while (!enough && reader->Read(&response)) enough = response.has_token() && !on_token();
    if (enough) context.TryCancel();
    const absl::Status status = FromGrpc(reader->Finish());
    return enough ? absl::OkStatus() : status;
  }

  std::optional<double> ComputeSeconds() const override {
    double seconds = 0;
    for (const auto& worker : workers_) seconds += worker->compute_seconds();
    return seconds;
  }

  absl::StatusOr<std::optional<Prediction>> Predict(const std::vector<WorkerSpeed>& speeds,
                                                    uint32_t cached_tokens,
                                                    uint32_t prompt) const override {
    const std::string address = coordinator_->address();
    TERN_ASSIGN_OR_RETURN(ClusterProfile cluster, ReadClusterProfile(address));
    TERN_ASSIGN_OR_RETURN(StatusReader reader, StatusReader::Create(address));
    TERN_ASSIGN_OR_RETURN(const v1::GetStatusResponse status, reader.Read());
    Plan plan;
    for (const v1::StageStatus& stage : status.stages()) {
      const auto worker =
          std::find_if(cluster.workers.begin(), cluster.workers.end(),
                       [&](const WorkerProfile& known) { return known.name == stage.worker(); });
      if (worker == cluster.workers.end()) continue;
      plan.stages.push_back({static_cast<size_t>(worker - cluster.workers.begin()),
                             {stage.first_layer(), stage.end_layer()}});
      for (size_t i = 0; i < std::min(speeds.size(), cpus_.size()); ++i) {
        if (worker->name == NameOf(cpus_[i])) worker->speed = speeds[i];
      }
    }
    if (plan.stages.empty()) return absl::UnavailableError(address + ": found no pipeline");
    PlanOptions options;
    options.streams = options_.streams;
    options.cached_tokens = cached_tokens;
    TERN_ASSIGN_OR_RETURN(const CostModel costs,
                          CostModel::Create(config_, std::move(cluster), options));
    return tern::Predict(costs, plan, prompt, options_.prefill_chunk);
  }

  absl::StatusOr<std::optional<LinkSpeed>> SlowestLink() const override {
    TERN_ASSIGN_OR_RETURN(const ClusterProfile cluster,
                          ReadClusterProfile(coordinator_->address()));
    std::optional<LinkSpeed> slowest;
    for (const PairLink& pair : cluster.pairs) {
      if (slowest.has_value() && slowest->bytes_per_second <= pair.speed.bytes_per_second) continue;
      slowest = pair.speed;
    }
    return slowest;
  }

  absl::StatusOr<std::unique_ptr<HeldStreams>> HoldIdleStreams(uint32_t streams) override {
    return OpenIdleStreams(coordinator_->address(), streams);
  }

 private:
  const std::vector<std::unique_ptr<Relay>> relays_;  // before the processes that they lead to
  const std::unique_ptr<Coordinator> coordinator_;
  const std::vector<std::unique_ptr<RunningWorker>> workers_;
  const ModelConfig config_;
  const std::vector<int> cpus_;  // of each worker
  const CoordinatorOptions options_;
  const std::unique_ptr<v1::Inference::Stub> stub_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Deployment>> DeployLocally(const DeploymentOptions& options,
                                                          uint32_t stages) {
  LocalClusterOptions local;
  local.stages = stages;
  local.threads = options.cpus.size() / stages;
  local.cpus = options.cpus;
  local.may_cache = true;
  local.kv_tokens = options.kv_tokens;
  TERN_ASSIGN_OR_RETURN(std::unique_ptr<LocalCluster> cluster,
                        LocalCluster::Open(options.model, local));
  return std::make_unique<LocalDeployment>(std::move(cluster));
}

absl::StatusOr<std::unique_ptr<Deployment>> DeployWorkers(const DeploymentOptions& options,
                                                          Links links) {
  CoordinatorOptions serve;
  serve.model_path = options.model;
  serve.listen = "127.0.0.1:0";
  serve.workers = static_cast<uint32_t>(options.cpus.size());
  serve.streams = options.streams;
  serve.prompt_ratio = options.prompt_ratio;
  serve.kv_tokens = options.kv_tokens;
  serve.unix_socket = links == Links::kUnixSockets;
  TERN_ASSIGN_OR_RETURN(std::unique_ptr<Coordinator> coordinator, Coordinator::Create(serve));
  std::string address = coordinator->address();
  std::vector<std::unique_ptr<Relay>> relays;
  const double bytes_per_second = options.link_mbit * 1e6 / 8;
  if (links == Links::kSlowTcp) {
    // What workers tell the coordinator, results among it; clients have none in between.
    TERN_ASSIGN_OR_RETURN(relays.emplace_back(), Relay::Listen(bytes_per_second));
    relays.back()->SetTarget(coordinator->port());
    address = relays.back()->address();
  }
  std::vector<std::unique_ptr<RunningWorker>> workers;
  for (const int cpu : options.cpus) {
    WorkerOptions worker;
    worker.coordinator = address;
    worker.name = NameOf(cpu);
    worker.threads = 1;
    worker.cpuset = absl::StrCat(cpu);
    worker.cache_directory = options.scratch;
    worker.unix_socket = serve.unix_socket;
    if (links == Links::kSlowTcp) {
      TERN_ASSIGN_OR_RETURN(relays.emplace_back(), Relay::Listen(bytes_per_second));
      worker.advertise = relays.back()->address();
    }
    TERN_ASSIGN_OR_RETURN(workers.emplace_back(), RunningWorker::Start(worker));
    if (links == Links::kSlowTcp) relays.back()->SetTarget(workers.back()->port());
  }
  TERN_RETURN_IF_ERROR(Client(coordinator->address()).WaitUntilServing(absl::Minutes(10)));
  return std::make_unique<WorkerDeployment>(std::move(relays), std::move(coordinator),
                                            std::move(workers), options, serve);
}

}  // namespace tern
