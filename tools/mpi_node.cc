// SPDX-License-Identifier: MIT
#include "tools/mpi_node.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "bench/memory.h"

namespace tern {
namespace {

constexpr uint64_t kEpoch = 1;  // the one plan of a job

}  // namespace

absl::StatusOr<std::unique_ptr<MpiNode>> MpiNode::Create(const MpiPlan& plan,
                                                         const MpiNodeOptions& options) {
  std::unique_ptr<MpiNode> node(new MpiNode(plan, options));
  const auto me = static_cast<size_t>(options.world->rank());
  for (size_t replica = 0; replica < plan.replicas.size(); ++replica) {
    // Behind the last stage somebody must listen before it is linked.
    if (me == 0) TERN_RETURN_IF_ERROR(node->AddEngine(replica));
    const std::vector<StagePlan>& stages = plan.replicas[replica].stages;
    for (size_t stage = 0; stage < stages.size(); ++stage) {
      if (stages[stage].worker == me) TERN_RETURN_IF_ERROR(node->StartStage(replica, stage));
    }
  }
  return node;
}

MpiNode::MpiNode(const MpiPlan& plan, const MpiNodeOptions& options)
    : plan_(plan), options_(options), mpi_(options.world) {}

// Each stage hands frames to the one after it, the last one to an engine, and the first one credits
// its receiver: so nobody is destroyed before those who may still call it.
MpiNode::~MpiNode() {
  for (const auto& engine : engines_) {
    engine->StopPipeline(absl::CancelledError("the job is over"));
    engine->WaitIdle(absl::InfiniteDuration());
  }
  for (const auto& [channel, receiver] : receivers_) receiver->Refuse();
  listeners_.clear();
  runners_.clear();
}

absl::Status MpiNode::StartStage(size_t replica, size_t stage) {
  const MpiReplica& plan = plan_.replicas[replica];
  StageSpec spec;
  spec.epoch = kEpoch;
  spec.config = options_.file->config();
  spec.layers = plan.stages[stage].layers;
  spec.kv_type = options_.kv_type;
  spec.kv_pages = plan.kv_pages;
  TERN_ASSIGN_OR_RETURN(std::unique_ptr<Stage> loaded,
                        Stage::Create(spec, options_.file->tensors(), options_.kernels,
                                      options_.pool, options_.progress));
  TERN_ASSIGN_OR_RETURN(std::unique_ptr<FrameSender> next, Connect(replica, stage + 1));
  std::function<void()> on_taken;
  if (stage == 0) on_taken = [this, replica] { Credit(replica); };
  runners_.push_back(std::make_unique<StageRunner>(
      std::move(loaded), std::move(next), [this](const absl::Status& status) { Fail(status); },
      std::move(on_taken)));
  return Listen(replica, stage,
                [runner = runners_.back().get()](Frame frame) { runner->Push(std::move(frame)); });
}

absl::Status MpiNode::AddEngine(size_t replica) {
  engines_.push_back(std::make_unique<Engine>(*options_.tokenizer));
  return Listen(
      replica, plan_.replicas[replica].stages.size(),
      [engine = engines_.back().get()](Frame frame) { engine->OnFrame(std::move(frame)); });
}

absl::StatusOr<std::vector<Engine*>> MpiNode::StartEngines() {
  std::vector<Engine*> engines;
  for (size_t replica = 0; replica < engines_.size(); ++replica) {
    TERN_RETURN_IF_ERROR(StartPipeline(replica));
    engines.push_back(engines_[replica].get());
  }
  return engines;
}

void MpiNode::WaitIdle() {
  for (const auto& engine : engines_) engine->WaitIdle(absl::InfiniteDuration());
}

RankMemory MpiNode::Memory() const {
  RankMemory memory;
  for (const auto& runner : runners_) {
    const StageSpec& spec = runner->stage().spec();
    const StageCost cost = runner->stage().Cost();
    memory.layers += spec.layers.size();
    memory.weights += cost.weight_bytes + cost.head_bytes;
    memory.kv += spec.kv_pages * KvPageBytes(spec.config, spec.layers.size(), spec.kv_type);
  }
  memory.file = ResidentFileBytes(options_.file->path());
  memory.peak = PeakResidentBytes();
  return memory;
}

absl::Status MpiNode::StartPipeline(size_t replica) {
  const MpiReplica& plan = plan_.replicas[replica];
  SchedulerConfig config;
  config.epoch = kEpoch;
  config.stages = static_cast<uint32_t>(plan.stages.size());
  config.prefill_chunk = options_.prefill_chunk;
  config.max_rows = options_.max_rows;
  config.max_queue = options_.max_queue;
  config.kv_pages = plan.kv_pages;
  config.context = options_.file->config().context;
  TERN_ASSIGN_OR_RETURN(std::unique_ptr<FrameSender> first, Connect(replica, 0));
  engines_[replica]->StartPipeline(config, std::move(first));
  return absl::OkStatus();
}

uint32_t MpiNode::ChannelOf(size_t replica, size_t stage) const {
  const size_t most_links = options_.file->config().layers + size_t{1};
  return static_cast<uint32_t>(replica * most_links + stage);
}

int MpiNode::RankOf(size_t replica, size_t stage) const {
  const std::vector<StagePlan>& stages = plan_.replicas[replica].stages;
  return stage < stages.size() ? static_cast<int>(stages[stage].worker) : 0;
}

absl::StatusOr<std::unique_ptr<FrameSender>> MpiNode::Connect(size_t replica, size_t stage) {
  const int to = RankOf(replica, stage);
  const std::string address = MpiAddress(to, ChannelOf(replica, stage));
  LinkEvents events;
  events.on_failure = [this](const absl::Status& status) { Fail(status); };
  if (stage == 0) {
    // Steps are numbered from 1, and each is a frame.
    events.on_taken = [engine = engines_[replica].get()](uint64_t frames) {
      engine->OnTaken(kEpoch, frames);
    };
  }
  if (to != options_.world->rank()) return mpi_.Connect(address, std::move(events));
  return local_.Connect(address, std::move(events));
}

absl::Status MpiNode::Listen(size_t replica, size_t stage, FrameHandler handler) {
  const uint32_t channel = ChannelOf(replica, stage);
  // Into the first stage comes what rank 0 sends, into others what the stage before does.
  const int from = stage == 0 ? 0 : RankOf(replica, stage - 1);
  if (from == options_.world->rank()) {
    TERN_ASSIGN_OR_RETURN(std::unique_ptr<InprocTransport::Listener> listener,
                          local_.Listen(MpiAddress(from, channel), std::move(handler)));
    listeners_.push_back(std::move(listener));
    return absl::OkStatus();
  }
  FrameLimits limits = LimitsOf(kEpoch, options_.file->config(), plan_.replicas[replica].kv_pages,
                                options_.max_rows);
  limits.expect_hidden = stage > 0 && stage < plan_.replicas[replica].stages.size();
  auto receiver = std::make_unique<MpiFrameReceiver>(
      options_.world, from, channel, [this](const absl::Status& status) { Fail(status); });
  receiver->Accept(limits, std::move(handler));
  receivers_[channel] = std::move(receiver);
  return absl::OkStatus();
}

void MpiNode::Credit(size_t replica) {
  const uint32_t channel = ChannelOf(replica, 0);
  const auto receiver = receivers_.find(channel);
  if (receiver != receivers_.end()) return receiver->second->Credit();
  local_.Credit(MpiAddress(options_.world->rank(), channel));
}

void MpiNode::Fail(const absl::Status& status) {
  LogError("rank ", options_.world->rank(), ": ", status.ToString());
  options_.world->Abort();
}

}  // namespace tern
