// SPDX-License-Identifier: MIT
#include "tools/deployment.h"

#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "base/status_macros.h"
#include "cluster/grpc_util.h"
#include "coordinator/coordinator.h"
#include "proto/inference.grpc.pb.h"
#include "tools/client.h"
#include "tools/local_cluster.h"
#include "worker/daemon.h"

namespace tern {
namespace {

// Tells the caller of Generate about a request of an engine.
class Waiter final : public GenerationListener {
 public:
  explicit Waiter(const std::function<void()>& on_token) : on_token_(on_token) {}

  void OnToken(const GeneratedToken&) override { on_token_(); }
  void OnFinish(FinishReason, const std::string&, const absl::Status& status,
                const GenerationStats&) override {
    status_ = status;
    done_.Notify();
  }
  absl::Status Wait() {
    done_.WaitForNotification();
    return status_;
  }

 private:
  const std::function<void()>& on_token_;
  absl::Status status_;
  absl::Notification done_;
};

class LocalDeployment final : public Deployment {
 public:
  explicit LocalDeployment(std::unique_ptr<LocalCluster> cluster) : cluster_(std::move(cluster)) {}

  absl::Status Generate(const std::vector<TokenId>& prompt, uint32_t tokens,
                        const std::function<void()>& on_token) override {
    GenerationRequest request;
    request.prompt = prompt;
    request.max_tokens = tokens;
    request.sampling.temperature = 0;
    const auto waiter = std::make_shared<Waiter>(on_token);
    cluster_->engine().Submit(std::move(request), waiter);
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

 private:
  const std::unique_ptr<WorkerDaemon> daemon_;
  std::thread thread_;
};

class WorkerDeployment final : public Deployment {
 public:
  WorkerDeployment(std::unique_ptr<Coordinator> coordinator,
                   std::vector<std::unique_ptr<RunningWorker>> workers)
      : coordinator_(std::move(coordinator)),
        workers_(std::move(workers)),
        stub_(v1::Inference::NewStub(ConnectTo(coordinator_->address()))) {}

  absl::Status Generate(const std::vector<TokenId>& prompt, uint32_t tokens,
                        const std::function<void()>& on_token) override {
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
    while (reader->Read(&response)) {
      if (response.has_token()) on_token();
    }
    return FromGrpc(reader->Finish());
  }

  std::optional<Engine::Stats> stats() const override { return std::nullopt; }

 private:
  const std::unique_ptr<Coordinator> coordinator_;
  const std::vector<std::unique_ptr<RunningWorker>> workers_;
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
  serve.kv_tokens = options.kv_tokens;
  TERN_ASSIGN_OR_RETURN(std::unique_ptr<Coordinator> coordinator, Coordinator::Create(serve));
  const std::string address = coordinator->address();
  std::vector<std::unique_ptr<RunningWorker>> workers;
  for (const int cpu : options.cpus) {
    WorkerOptions worker;
    worker.coordinator = address;
    worker.name = absl::StrCat("cpu-", cpu);
    worker.threads = 1;
    worker.cpuset = absl::StrCat(cpu);
    worker.cache_directory = options.scratch;
    // Only workers of one host share a socket.
    if (links == Links::kTcp) worker.host = worker.name;
    TERN_ASSIGN_OR_RETURN(workers.emplace_back(), RunningWorker::Start(worker));
  }
  TERN_RETURN_IF_ERROR(Client(address).WaitUntilServing(absl::Minutes(1)));
  return std::make_unique<WorkerDeployment>(std::move(coordinator), std::move(workers));
}

}  // namespace tern
