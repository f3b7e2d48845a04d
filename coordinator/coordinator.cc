// SPDX-License-Identifier: MIT
#include "coordinator/coordinator.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/service_type.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/cache_directory.h"
#include "base/host_id.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/thread_pool.h"
#include "base/topology.h"
#include "base/version.h"
#include "cluster/address.h"
#include "cluster/clock.h"
#include "cluster/grpc_receiver.h"
#include "cluster/grpc_transport.h"
#include "cluster/grpc_util.h"
#include "cluster/link_sessions.h"
#include "cluster/manifest.h"
#include "cluster/unix_receiver.h"
#include "cluster/weights_service.h"
#include "coordinator/cluster_service.h"
#include "coordinator/controller.h"
#include "coordinator/coordinator_metrics.h"
#include "coordinator/engine.h"
#include "coordinator/inference_service.h"
#include "coordinator/request_recorder.h"
#include "coordinator/status.h"
#include "metrics/metrics_server.h"
#include "model/kv_cache.h"
#include "model/model_file.h"
#include "model/tensor_digests.h"
#include "model/transformer.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace tern {
namespace {

constexpr uint32_t kMaxWorkers = 4096;
constexpr uint32_t kMaxRows = 4096;
constexpr uint32_t kMaxStreams = 1 << 20;
constexpr auto kShutdownGrace = std::chrono::milliseconds(500);
constexpr char kInference[] = "tern.v1.Inference";

absl::Status CheckRange(const char* flag, uint64_t value, uint64_t most) {
  if (value >= 1 && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(flag, ": found ", value, ", want between 1 and ", most));
}

absl::Status Check(const CoordinatorOptions& options) {
  TERN_RETURN_IF_ERROR(CheckRange("--workers", options.workers, kMaxWorkers));
  if (options.max_workers > 0) {
    TERN_RETURN_IF_ERROR(CheckRange("--max-workers", options.max_workers, kMaxWorkers));
    TERN_RETURN_IF_ERROR(CheckRange("--workers", options.workers, options.max_workers));
  }
  TERN_RETURN_IF_ERROR(CheckRange("--streams", options.streams, kMaxStreams));
  if (!std::isfinite(options.move_gain) || options.move_gain < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("--move-gain: found ", options.move_gain, ", want a number from 0"));
  }
  TERN_RETURN_IF_ERROR(CheckRange("--max-rows", options.max_rows, kMaxRows));
  return CheckRange("--prefill-chunk", options.prefill_chunk, options.max_rows);
}

}  // namespace

class Coordinator::Impl {
 public:
  absl::Status OpenModel(const CoordinatorOptions& options,
                         const std::function<void(float)>& progress);
  absl::Status Start(const CoordinatorOptions& options, const Address& listen,
                     const std::optional<Address>& metrics) ABSL_LOCKS_EXCLUDED(mu_);
  bool Drain(absl::Duration timeout) ABSL_LOCKS_EXCLUDED(mu_);
  const Address& address() const { return address_; }
  uint64_t weight_bytes_sent() const { return weights_.bytes_sent(); }
  uint16_t metrics_port() const { return metrics_ == nullptr ? 0 : metrics_->port(); }

  ~Impl();

 private:
  absl::Status StartServer(const Address& listen) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<TensorView> FindByDigest(const std::string& sha256) const;
  ControllerOptions ControllerSetup(const CoordinatorOptions& options);
  absl::Status StartMetrics(Address address);
  ClusterStatus Status() const;
  void OnPipeline(const std::optional<Pipeline>& pipeline) ABSL_LOCKS_EXCLUDED(mu_);
  // Tells the health service: of the whole, and of the service that needs a pipeline.
  void PublishHealth() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Members in the order in which they depend on those before.
  const absl::Time began_ = MonotonicNow();
  RequestRecorder recorder_;
  std::unique_ptr<ModelFile> file_;
  std::unique_ptr<Tokenizer> tokenizer_;
  absl::StatusOr<ChatFormat> chat_format_;
  ModelManifest manifest_;
  absl::flat_hash_map<std::string, std::string> names_by_digest_;  // of its tensors
  Address address_;
  std::atomic<bool> draining_{false};
  LinkSessions sessions_;
  GrpcReceiver receiver_{sessions_};
  WeightsService weights_{[this](const std::string& sha256) { return FindByDigest(sha256); }};
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Controller> controller_;
  std::unique_ptr<grpc::Service> cluster_service_;
  std::unique_ptr<grpc::Service> inference_service_;
  std::unique_ptr<UnixReceiver> unix_receiver_;  // may be null

  Mutex mu_;
  std::unique_ptr<grpc::Server> server_ ABSL_GUARDED_BY(mu_);
  bool serving_ ABSL_GUARDED_BY(mu_) = false;

  std::unique_ptr<MetricsServer> metrics_;  // last: it reads everything above
};

absl::Status Coordinator::Impl::OpenModel(const CoordinatorOptions& options,
                                          const std::function<void(float)>& progress) {
  const TensorDigests known_digests(options.model_path, DefaultCacheDirectory());
  TERN_ASSIGN_OR_RETURN(file_, ModelFile::Open(options.model_path, {.context = options.context}));
  const ModelConfig& config = file_->config();
  TERN_ASSIGN_OR_RETURN(const Vocabulary vocabulary, file_->ReadVocabulary());
  TERN_ASSIGN_OR_RETURN(tokenizer_, file_->MakeTokenizer(vocabulary));
  // A model without a chat format serves plain prompts.
  chat_format_ = options.chat_template.empty() ? DetectChatFormat(vocabulary)
                                               : ParseChatFormat(options.chat_template);
  if (!options.chat_template.empty()) TERN_RETURN_IF_ERROR(chat_format_.status());
  file_->ForgetVocabulary();
  for (const std::string& note : file_->notes()) LogInfo("model: ", note);
  for (const std::string& note : tokenizer_->notes()) LogInfo("model: ", note);
  TERN_ASSIGN_OR_RETURN(const Topology topology, DetectTopology());
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<ThreadPool> pool,
                        ThreadPool::Create({.threads = topology.cores.size(), .cpus = {}}));
  TERN_ASSIGN_OR_RETURN(
      manifest_, BuildManifest(config, file_->tensors(), progress, known_digests, pool.get()));
  for (const TensorRef& tensor : manifest_.tensors) {
    names_by_digest_[tensor.sha256] = tensor.info.name;
  }
  return absl::OkStatus();
}

absl::StatusOr<TensorView> Coordinator::Impl::FindByDigest(const std::string& sha256) const {
  const auto found = names_by_digest_.find(sha256);
  if (found != names_by_digest_.end()) return file_->tensors().Find(found->second);
  return absl::NotFoundError("no tensor of the served model has this digest");
}

absl::Status Coordinator::Impl::Start(const CoordinatorOptions& options, const Address& listen,
                                      const std::optional<Address>& metrics) {
  if (options.unix_socket) unix_receiver_ = UnixReceiver::StartOrNone(sessions_);
  engine_ = std::make_unique<Engine>(
      *tokenizer_, [this](const absl::Status& status) { controller_->OnEngineError(status); },
      options.recovery_timeout);
  controller_ = std::make_unique<Controller>(ControllerSetup(options));
  cluster_service_ = MakeClusterService(*controller_, [this] { return Status(); });
  inference_service_ = MakeInferenceService({.engine = engine_.get(),
                                             .tokenizer = tokenizer_.get(),
                                             .chat_format = chat_format_,
                                             .manifest = &manifest_,
                                             .pipeline = [this] { return controller_->pipeline(); },
                                             .draining = &draining_,
                                             .recorder = &recorder_});
  if (metrics.has_value()) TERN_RETURN_IF_ERROR(StartMetrics(*metrics));
  MutexLock lock(mu_);  // a pipeline that comes up meanwhile waits for the address
  return StartServer(listen);
}

absl::Status Coordinator::Impl::StartMetrics(Address address) {
  const auto collect = [this] { return CoordinatorMetrics(Status(), recorder_.counts()); };
  TERN_ASSIGN_OR_RETURN(metrics_, MetricsServer::Start(address.ToString(), collect));
  address.port = metrics_->port();
  LogInfo("metrics at http://", address.ToString(), "/metrics");
  return absl::OkStatus();
}

ClusterStatus Coordinator::Impl::Status() const {
  ClusterStatus status;
  status.version = kVersion;
  status.model = manifest_.config.name;
  status.uptime = MonotonicNow() - began_;
  status.engine = engine_->stats();
  FillCluster(controller_->pipeline(), controller_->view(), controller_->load(), status);
  return status;
}

absl::Status Coordinator::Impl::StartServer(const Address& listen) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  TERN_ASSIGN_OR_RETURN(ListeningServer listening,
                        Listen(listen, {cluster_service_.get(), inference_service_.get(),
                                        receiver_.service(), weights_.service()}));
  address_ = listening.address;
  server_ = std::move(listening.server);
  PublishHealth();
  return absl::OkStatus();
}

ControllerOptions Coordinator::Impl::ControllerSetup(const CoordinatorOptions& options) {
  const uint32_t context = manifest_.config.context;
  const uint64_t kv_tokens =
      options.kv_tokens == 0 ? uint64_t{2} * context : KvTokensFor(options.kv_tokens, context);
  std::error_code ignored;
  return {.membership = {.workers = options.workers,
                         .max_workers = options.max_workers,
                         .move_gain = options.move_gain,
                         .version = kVersion,
                         .plan = {.kv_type = options.kv_type,
                                  .kv_tokens = kv_tokens,
                                  .objective = options.objective,
                                  .streams = options.streams,
                                  .prompt_ratio = options.prompt_ratio},
                         .model_path = std::filesystem::absolute(options.model_path, ignored),
                         .rope_digest = RopeDigest(manifest_.config),
                         .host = HostId(),
                         .unix_address = unix_receiver_ == nullptr ? "" : unix_receiver_->address(),
                         .max_rows = options.max_rows,
                         .wire = options.wire},
          .manifest = &manifest_,
          .prefill_chunk = options.prefill_chunk,
          .engine = engine_.get(),
          .receiver = &sessions_,
          .make_transport = [](uint64_t epoch) { return std::make_unique<GrpcTransport>(epoch); },
          .on_pipeline = [this](const std::optional<Pipeline>& up) { OnPipeline(up); }};
}

void Coordinator::Impl::OnPipeline(const std::optional<Pipeline>& pipeline) {
  MutexLock lock(mu_);
  if (pipeline.has_value()) {
    LogInfo("ready: serving ", manifest_.config.name, " on ", address_.ToString(), " (epoch ",
            pipeline->epoch, ")");
  }
  serving_ = pipeline.has_value();
  PublishHealth();
}

void Coordinator::Impl::PublishHealth() {
  if (server_ == nullptr) return;
  grpc::HealthCheckServiceInterface* health = server_->GetHealthCheckService();
  const bool serving = serving_ && !draining_;
  health->SetServingStatus("", serving);
  health->SetServingStatus(kInference, serving);
}

bool Coordinator::Impl::Drain(absl::Duration timeout) {
  draining_ = true;
  {
    MutexLock lock(mu_);
    PublishHealth();
  }
  return engine_->WaitIdle(timeout);
}

// Streams end first, then the server, which waits for its calls; then what those calls used.
Coordinator::Impl::~Impl() {
  if (controller_ == nullptr) return;
  Drain(absl::ZeroDuration());
  controller_->Stop();
  std::unique_ptr<grpc::Server> server;
  {
    MutexLock lock(mu_);
    server = std::move(server_);
  }
  if (server != nullptr) server->Shutdown(std::chrono::system_clock::now() + kShutdownGrace);
}

absl::StatusOr<std::unique_ptr<Coordinator>> Coordinator::Create(
    const CoordinatorOptions& options, const std::function<void(float)>& progress) {
  TERN_RETURN_IF_ERROR(Check(options));
  TERN_ASSIGN_OR_RETURN(const Address listen, ParseAddress("--listen", options.listen));
  TERN_RETURN_IF_ERROR(CheckPlaintext("--listen", listen, options.insecure));
  std::optional<Address> metrics;
  if (!options.metrics.empty()) {
    TERN_ASSIGN_OR_RETURN(metrics, ParseAddress("--metrics", options.metrics));
    TERN_RETURN_IF_ERROR(CheckPlaintext("--metrics", *metrics, options.insecure));
  }
  auto impl = std::make_unique<Impl>();
  TERN_RETURN_IF_ERROR(impl->OpenModel(options, progress));
  TERN_RETURN_IF_ERROR(impl->Start(options, listen, metrics));
  return std::unique_ptr<Coordinator>(new Coordinator(std::move(impl)));
}

Coordinator::Coordinator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Coordinator::~Coordinator() = default;

std::string Coordinator::address() const { return impl_->address().ToString(); }
uint16_t Coordinator::port() const { return impl_->address().port; }
uint64_t Coordinator::weight_bytes_sent() const { return impl_->weight_bytes_sent(); }
uint16_t Coordinator::metrics_port() const { return impl_->metrics_port(); }
bool Coordinator::Drain(absl::Duration timeout) { return impl_->Drain(timeout); }

}  // namespace tern
