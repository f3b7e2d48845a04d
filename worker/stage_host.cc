// SPDX-License-Identifier: MIT
#include "worker/stage_host.h"

#include <limits>
#include <utility>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "cluster/unix_transport.h"
#include "model/transformer.h"

namespace tern {
namespace {

// Gathering the weights counts as the first half of loading, repacking them as the second.
constexpr float kGatherShare = 0.5f;
constexpr char kRepacking[] = "repacking";
// Steps that wait here while others are on their way: memory for a few, and never a stall.
constexpr uint32_t kWindow = 8;

// The files to look into: the local copy, and the coordinator's own path, which on one machine, or
// with a shared file system, names the same file here. Only an absolute path can.
std::vector<std::string> ModelPaths(const std::string& local, const std::string& coordinators) {
  std::vector<std::string> paths;
  if (!local.empty()) paths.push_back(local);
  if (absl::StartsWith(coordinators, "/") && coordinators != local) paths.push_back(coordinators);
  return paths;
}

// Of the link into the stage.
FrameLimits LimitsInto(const PrepareStage& order) {
  FrameLimits limits = LimitsOf(order.epoch, order.config, order.kv_pages, order.max_rows);
  limits.expect_hidden = order.stage > 0;
  limits.wire = order.wire;
  limits.window = kWindow;
  return limits;
}

}  // namespace

StageHost::StageHost(StageHostOptions options, std::function<void(WorkerMessage)> report)
    : options_(std::move(options)), report_(std::move(report)), thread_([this] { Loop(); }) {}

StageHost::~StageHost() {
  abandoned_epoch_ = std::numeric_limits<uint64_t>::max();
  {
    MutexLock lock(mu_);
    stop_ = true;
  }
  wake_.NotifyOne();
  thread_.join();
  Drop();
}

void StageHost::Handle(CoordinatorMessage message) {
  // At once, not in its turn: it ends the loading that is at work.
  if (const auto* abandon = std::get_if<AbandonStage>(&message)) abandoned_epoch_ = abandon->epoch;
  {
    MutexLock lock(mu_);
    orders_.push_back(std::move(message));
  }
  wake_.NotifyOne();
}

Heartbeat StageHost::heartbeat() const {
  MutexLock lock(mu_);
  Heartbeat heartbeat;
  heartbeat.epoch = epoch_;
  if (runner_ == nullptr) return heartbeat;
  heartbeat.steps_done = runner_->steps_done();
  heartbeat.steps_queued = runner_->steps_queued();
  heartbeat.busy = runner_->busy();
  return heartbeat;
}

void StageHost::Loop() {
  while (true) {
    CoordinatorMessage order;
    {
      MutexLock lock(mu_);
      while (orders_.empty() && !stop_) wake_.Wait(mu_);
      if (stop_) return;
      order = std::move(orders_.front());
      orders_.pop_front();
    }
    std::visit([this](const auto& what) { Obey(what); }, order);
  }
}

void StageHost::Obey(const PrepareStage& order) {
  Drop();
  order_ = order;
  LogInfo("loading stage ", order.stage, " of ", order.stages, ": layers ", order.layers.begin, "-",
          order.layers.end - 1, " (epoch ", order.epoch, ")");
  const absl::Status loaded = Load(order);
  if (!loaded.ok()) ReportFailure(order.epoch, loaded);
}

void StageHost::Obey(const CommitStage& order) {
  if (stage_ == nullptr || order.epoch != order_.epoch || IsAbandoned(order.epoch)) return;
  const absl::Status linked = Link(order_);
  if (!linked.ok()) return ReportFailure(order.epoch, linked);
  LogInfo("serving stage ", order_.stage, " (epoch ", order.epoch, ")");
  report_(StageCommitted{order.epoch});
}

void StageHost::Obey(const AbandonStage& order) {
  if (order.epoch < order_.epoch) return;
  LogInfo("epoch ", order.epoch, " is over: ", order.reason);
  Drop();
}

absl::Status StageHost::Load(const PrepareStage& order) {
  TERN_ASSIGN_OR_RETURN(const FetchedBytes fetched, LoadStage(order));
  {
    MutexLock lock(mu_);
    epoch_ = order.epoch;
  }
  // From here on the stage before may open its link; it sends nothing until all have committed.
  options_.receiver->Accept(LimitsInto(order), [this, epoch = order.epoch](Frame frame) {
    OnFrame(epoch, std::move(frame));
  });
  report_(StageReady{.epoch = order.epoch,
                     .model_digest = order.model_digest,
                     .rope_digest = RopeDigest(order.config),
                     .bytes_fetched = fetched.total(),
                     .bytes_from_peers = fetched.from_peers});
  return absl::OkStatus();
}

absl::StatusOr<FetchedBytes> StageHost::LoadStage(const PrepareStage& order) {
  TERN_ASSIGN_OR_RETURN(const FetchedBytes fetched,
                        LoadWeights(order, [&] { return IsAbandoned(order.epoch); }));
  TERN_ASSIGN_OR_RETURN(stage_, Stage::Create({.epoch = order.epoch,
                                               .config = order.config,
                                               .layers = order.layers,
                                               .kv_type = order.kv_type,
                                               .kv_pages = order.kv_pages},
                                              std::move(kept_), options_.pool));
  return fetched;
}

absl::StatusOr<FetchedBytes> StageHost::LoadWeights(const PrepareStage& order,
                                                    const std::function<bool()>& cancelled) {
  if (kept_ != nullptr && kept_layers_ == order.layers && kept_model_ == order.model_digest) {
    return FetchedBytes{};
  }
  kept_.reset();  // before there are others: both may not fit
  TERN_ASSIGN_OR_RETURN(shards_, GatherShards(order, options_.pool, kGatherShare, cancelled));
  TERN_ASSIGN_OR_RETURN(
      kept_,
      Transformer::Load(
          order.config, order.layers, *shards_, options_.kernels, options_.pool, [&](float share) {
            report_(
                LoadProgress{order.epoch, kGatherShare + (1 - kGatherShare) * share, kRepacking});
          }));
  kept_layers_ = order.layers;
  kept_model_ = order.model_digest;
  return shards_->fetched();
}

absl::StatusOr<std::unique_ptr<ShardStore>> StageHost::GatherShards(
    const PrepareStage& order, ThreadPool* pool, float share,
    const std::function<bool()>& cancelled) {
  const ShardOptions where{.model_paths = ModelPaths(options_.model_path, order.model_path),
                           .cache_directory = options_.cache_directory,
                           .cache_limit_bytes = options_.cache_limit_bytes,
                           .pool = pool,
                           .shelf = options_.shelf};
  absl::StatusOr<std::unique_ptr<ShardStore>> shards = ShardStore::Gather(
      order.tensors, where, options_.fetch, cancelled, [&](float gathered, const char* source) {
        report_(LoadProgress{order.epoch, share * gathered, source});
      });
  if (shards.ok() && options_.counts != nullptr) {
    options_.counts->bytes_from_coordinator += (*shards)->fetched().from_coordinator;
    options_.counts->bytes_from_peers += (*shards)->fetched().from_peers;
  }
  return shards;
}

void StageHost::Obey(const PrefetchStage& order) {
  LogInfo("fetching weights of layers ", order.stage.layers.begin, "-", order.stage.layers.end - 1,
          " (for epoch ", order.stage.epoch, ")");
  const absl::StatusOr<FetchedBytes> fetched = Prefetch(order.stage);
  report_(StagePrefetched{.epoch = order.stage.epoch,
                          .status = fetched.status(),
                          .bytes_fetched = fetched.ok() ? fetched->total() : 0});
}

// A spare loads the weights, too. Beside a stage that serves there may be no room for them, and its
// threads compute: this one alone waits for the bytes and hashes.
absl::StatusOr<FetchedBytes> StageHost::Prefetch(const PrepareStage& order) {
  const auto is_superseded = [this] {
    MutexLock lock(mu_);
    return !orders_.empty() || stop_;
  };
  if (heartbeat().epoch == 0) return LoadWeights(order, is_superseded);
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<ShardStore> shards,
                        GatherShards(order, /*pool=*/nullptr, 1, is_superseded));
  return shards->fetched();
}

absl::Status StageHost::Link(const PrepareStage& order) {
  const bool is_last = order.stage + 1 == order.stages;
  const auto fail = [this, epoch = order.epoch](const absl::Status& status) {
    ReportFailure(epoch, status);
  };
  TERN_ASSIGN_OR_RETURN(std::unique_ptr<FrameSender> next,
                        ConnectNear(UnixTransport(order.epoch, order.wire), order.next_unix_address,
                                    *options_.make_transport(order.epoch, order.wire),
                                    is_last ? options_.coordinator_address : order.next_address,
                                    {.on_failure = fail}));
  WorkerCounts* const counts = options_.counts;
  auto runner = std::make_unique<StageRunner>(
      std::move(stage_), std::move(next), fail,
      [receiver = options_.receiver] { receiver->Credit(); },
      counts == nullptr ? nullptr : &counts->step_times);
  if (counts != nullptr) counts->epoch = order.epoch;
  MutexLock lock(mu_);
  runner_ = std::move(runner);
  return absl::OkStatus();
}

void StageHost::Drop() {
  options_.receiver->Refuse();
  if (options_.counts != nullptr) options_.counts->epoch = 0;
  std::unique_ptr<StageRunner> runner;
  {
    MutexLock lock(mu_);
    runner = std::move(runner_);
    epoch_ = 0;
  }
  if (runner != nullptr) kept_ = runner->Finish()->TakeWeights();
  if (stage_ != nullptr) kept_ = std::exchange(stage_, nullptr)->TakeWeights();
}

void StageHost::OnFrame(uint64_t epoch, Frame frame) {
  StageRunner* runner = nullptr;
  {
    MutexLock lock(mu_);
    runner = runner_.get();  // Drop lets no handler run before it takes the runner away
  }
  if (runner != nullptr) return runner->Push(std::move(frame));
  ReportFailure(epoch, absl::FailedPreconditionError("a frame came before the stage committed"));
}

void StageHost::ReportFailure(uint64_t epoch, const absl::Status& status) {
  if (IsAbandoned(epoch)) return;
  LogWarning("stage failed (epoch ", epoch, "): ", status.message());
  report_(StageFailed{epoch, status});
}

}  // namespace tern
