// SPDX-License-Identifier: MIT
#include "cluster/membership.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "cluster/manifest.h"
#include "partition/cost_model.h"
#include "partition/planner.h"

namespace tern {
namespace {

std::string Describe(const RegisterWorker& info) {
  return absl::StrCat(info.machine, "; cpus ", info.cpuset, ", ", info.threads, " thread",
                      info.threads == 1 ? "" : "s", ", ", info.isa, ", ",
                      absl::StrFormat("%.1f", 1 / info.speed.ternary.For(1)), " G weights/s");
}

absl::Status CheckBuild(const RegisterWorker& info, const std::string& version) {
  if (info.protocol != kProtocolVersion) {
    return absl::FailedPreconditionError(absl::StrCat("worker ", info.name,
                                                      ": protocol version: found ", info.protocol,
                                                      ", want ", kProtocolVersion));
  }
  if (info.version != version) {
    return absl::FailedPreconditionError(absl::StrCat(
        "worker ", info.name, ": build version: found ", info.version, ", want ", version));
  }
  return absl::OkStatus();
}

absl::Status CheckDigest(const char* what, const std::string& found, const std::string& want) {
  if (found == want) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(what, " digest: found ", found, ", want ", want));
}

}  // namespace

std::vector<MembershipAction> Membership::Step(absl::Time now, const MembershipEvent& event) {
  now_ = now;
  std::visit([this](const auto& what) { On(what); }, event);
  MaybePlan();
  return std::exchange(actions_, {});
}

// --- Events ---

void Membership::On(const WorkerSaid& event) {
  const auto found = members_.find(event.worker);
  if (found != members_.end()) {
    found->second.heard = now_;
    std::visit([&](const auto& message) { Hear(found->second, message); }, event.message);
  } else if (const auto* info = std::get_if<RegisterWorker>(&event.message)) {
    Admit(event.worker, *info);
  } else {
    Emit(EndWorker{event.worker, absl::InvalidArgumentError("a worker must register first")});
  }
}

void Membership::On(const WorkerGone& event) { Lose(event.worker, event.reason); }

void Membership::On(const PipelineFailed& event) {
  if (phase_ == Phase::kIdle || event.epoch != pipeline_.epoch) return;
  TakeDownAndWait(std::string(event.status.message()));
}

void Membership::On(const Tick&) {
  std::vector<std::pair<WorkerId, absl::Status>> lost;
  for (const auto& [id, member] : members_) {
    if (now_ - member.heard > kLease) {
      lost.emplace_back(id,
                        absl::UnavailableError(absl::StrCat("silent for longer than its lease of ",
                                                            absl::FormatDuration(kLease))));
    } else if (IsStuck(member)) {
      lost.emplace_back(id,
                        absl::UnavailableError(absl::StrCat("it has work but made no progress for ",
                                                            absl::FormatDuration(kStuckAfter))));
    }
  }
  for (const auto& [id, status] : lost) Expel(id, status);
}

void Membership::Admit(WorkerId worker, const RegisterWorker& info) {
  const absl::Status build = CheckBuild(info, config_.version);
  if (!build.ok()) {
    Say("refused: ", build.message());
    Emit(EndWorker{worker, build});
    return;
  }
  for (const auto& [id, member] : members_) {
    if (member.info.name != info.name) continue;
    Say("refused: a second worker named ", info.name, ", at ", info.data_address);
    Emit(EndWorker{worker, absl::AlreadyExistsError(absl::StrCat(
                               "worker name: found ", info.name, ", which the worker at ",
                               member.info.data_address, " has; want another"))});
    return;
  }
  Member& member = members_[worker];
  member.id = worker;
  member.info = info;
  member.heard = now_;
  retry_at_ = absl::InfinitePast();
  Say("worker ", info.name, " joined", phase_ == Phase::kIdle ? "" : " as a spare", " from ",
      info.data_address, ": ", Describe(info));
  Send(worker, Welcome{config_.version});
}

void Membership::Hear(Member& member, const RegisterWorker&) {
  Expel(member.id, absl::InvalidArgumentError("a worker must register once"));
}

void Membership::Hear(Member& member, const LoadProgress& message) {
  if (!Concerns(member, message.epoch)) return;
  member.moved = now_;
  const int quarters = static_cast<int>(message.share * 4);
  if (quarters <= member.quarters_noted || quarters >= 4) return;
  member.quarters_noted = quarters;
  Say("worker ", member.info.name, " loads: ", quarters * 25, " % (", message.source, ")");
}

void Membership::Hear(Member& member, const StageReady& message) {
  if (!Concerns(member, message.epoch) || member.state != StageState::kLoading) return;
  absl::Status digests = CheckDigest("model", message.model_digest, manifest_.digest);
  digests.Update(CheckDigest("rope", message.rope_digest, config_.rope_digest));
  if (!digests.ok()) {
    Expel(member.id, digests);
    return;
  }
  member.state = StageState::kReady;
  const std::string peers =
      message.bytes_from_peers == 0
          ? ""
          : absl::StrCat(", ", message.bytes_from_peers, " of them from other workers");
  Say("worker ", member.info.name, " is ready (fetched ", message.bytes_fetched, " bytes", peers,
      ")");
  for (const PipelineStage& stage : pipeline_.stages) {
    if (stage.worker != member.id) continue;
    fan_out_.Hold(stage.address, StageTensors(manifest_, stage.layers));
  }
  if (!AllStages(StageState::kReady)) return;
  phase_ = Phase::kCommitting;
  for (const PipelineStage& stage : pipeline_.stages) {
    members_.at(stage.worker).moved = now_;
    Send(stage.worker, CommitStage{pipeline_.epoch});
  }
}

void Membership::Hear(Member& member, const StageCommitted& message) {
  if (!Concerns(member, message.epoch) || phase_ != Phase::kCommitting) return;
  member.state = StageState::kCommitted;
  if (!AllStages(StageState::kCommitted)) return;
  phase_ = Phase::kServing;
  failures_in_row_ = 0;
  Emit(PipelineUp{pipeline_});
}

void Membership::Hear(Member& member, const StageFailed& message) {
  if (!Concerns(member, message.epoch)) return;
  std::string reason =
      absl::StrCat("worker ", member.info.name, " failed: ", message.status.message());
  if (absl::IsUnavailable(message.status)) {
    // A broken link: the other end is the likelier culprit.
    for (size_t i = 0; i + 1 < pipeline_.stages.size(); ++i) {
      if (pipeline_.stages[i].worker != member.id) continue;
      absl::StrAppend(&reason, " (its next stage is on worker ", pipeline_.stages[i + 1].name, ")");
    }
  } else {
    ++member.failures;
  }
  TakeDownAndWait(reason);
}

void Membership::Hear(Member& member, const Heartbeat& message) {
  if (!Concerns(member, message.epoch)) return;
  const bool idle_before = member.steps_queued == 0;
  if (idle_before || message.steps_done != member.steps_done) {
    if (member.state == StageState::kCommitted) member.moved = now_;
  }
  member.steps_done = message.steps_done;
  member.steps_queued = message.steps_queued;
}

// --- State ---

bool Membership::Concerns(const Member& member, uint64_t epoch) const {
  return phase_ != Phase::kIdle && epoch == pipeline_.epoch && member.state != StageState::kNone;
}

bool Membership::AllStages(StageState state) const {
  return std::all_of(
      pipeline_.stages.begin(), pipeline_.stages.end(),
      [&](const PipelineStage& stage) { return members_.at(stage.worker).state == state; });
}

bool Membership::IsStuck(const Member& member) const {
  const bool has_work = member.state == StageState::kLoading ||
                        (member.state == StageState::kReady && phase_ == Phase::kCommitting) ||
                        (member.state == StageState::kCommitted && member.steps_queued > 0);
  return has_work && now_ - member.moved > kStuckAfter;
}

void Membership::Expel(WorkerId worker, const absl::Status& status) {
  Emit(EndWorker{worker, status});
  Lose(worker, std::string(status.message()));
}

void Membership::Lose(WorkerId worker, const std::string& reason) {
  const auto found = members_.find(worker);
  if (found == members_.end()) return;  // refused before, or expelled
  const std::string name = found->second.info.name;
  const bool in_pipeline = found->second.state != StageState::kNone;
  fan_out_.Forget(found->second.info.data_address);
  members_.erase(found);
  retry_at_ = absl::InfinitePast();
  const std::string lost = absl::StrCat("worker ", name, " was lost: ", reason);
  if (in_pipeline) {
    TakeDown(lost);
  } else {
    Say(lost);
  }
}

void Membership::TakeDown(const std::string& reason) {
  Say("pipeline down (epoch ", pipeline_.epoch, "): ", reason);
  Emit(PipelineDown{pipeline_.epoch, absl::UnavailableError(reason)});
  for (const PipelineStage& stage : pipeline_.stages) {
    const auto member = members_.find(stage.worker);
    if (member == members_.end()) continue;
    member->second.state = StageState::kNone;
    Send(stage.worker, AbandonStage{pipeline_.epoch, reason});
  }
  phase_ = Phase::kIdle;
  pipeline_.stages.clear();
}

void Membership::TakeDownAndWait(const std::string& reason) {
  TakeDown(reason);
  const uint32_t doublings = std::min<uint32_t>(failures_in_row_++, 10);
  retry_at_ = now_ + std::min(kFirstRetry * (1 << doublings), kLastRetry);
}

// --- Plans ---

void Membership::MaybePlan() {
  if (phase_ != Phase::kIdle || now_ < retry_at_) return;
  const auto present = static_cast<uint32_t>(members_.size());
  const uint32_t missing = present < config_.workers ? config_.workers - present : 0;
  if (missing > 0 && missing != missing_noted_) {
    Say("waiting for ", missing, " more worker", missing == 1 ? "" : "s", " (", present, " of ",
        config_.workers, " here)");
  }
  missing_noted_ = missing;
  if (missing > 0) return;
  std::vector<const Member*> workers;
  const absl::StatusOr<Plan> plan = ChoosePlan(workers);
  if (plan.ok()) {
    Prepare(*plan, workers);
  } else {
    Say("no plan is possible: ", plan.status().message(), "; waiting for more workers");
    retry_at_ = absl::InfiniteFuture();
  }
}

// Plans over the first workers, those that failed least first; or over those with the most memory,
// if the model does not fit into the first; or over more of them than are wanted. Fills `workers`
// with those that the plan counts.
absl::StatusOr<Plan> Membership::ChoosePlan(std::vector<const Member*>& workers) const {
  std::vector<const Member*> by_failures;
  for (const auto& [id, member] : members_) by_failures.push_back(&member);
  std::stable_sort(by_failures.begin(), by_failures.end(),
                   [](const Member* a, const Member* b) { return a->failures < b->failures; });
  std::vector<const Member*> by_memory = by_failures;
  std::stable_sort(by_memory.begin(), by_memory.end(), [](const Member* a, const Member* b) {
    return a->info.memory_bytes > b->info.memory_bytes;
  });
  absl::StatusOr<Plan> plan = absl::InternalError("no worker");
  for (size_t count = config_.workers; count <= members_.size(); ++count) {
    for (const std::vector<const Member*>* order : {&by_failures, &by_memory}) {
      workers.assign(order->begin(), order->begin() + static_cast<ptrdiff_t>(count));
      plan = PlanOver(workers);
      if (!absl::IsResourceExhausted(plan.status())) return plan;
    }
  }
  return plan;
}

absl::StatusOr<Plan> Membership::PlanOver(const std::vector<const Member*>& workers) const {
  ClusterProfile cluster;
  for (const Member* member : workers) {
    cluster.workers.push_back({.name = member->info.name,
                               .memory_bytes = member->info.memory_bytes,
                               .speed = member->info.speed,
                               .link = FastLink()});
  }
  PlanOptions options = config_.plan;
  options.use_all = true;
  TERN_ASSIGN_OR_RETURN(const CostModel costs,
                        CostModel::Create(manifest_.config, std::move(cluster), options));
  return MakePlan(costs);
}

void Membership::Prepare(const Plan& plan, const std::vector<const Member*>& workers) {
  pipeline_ = {.epoch = pipeline_.epoch + 1, .stages = {}, .kv_pages = plan.kv_pages};
  Say("plan (epoch ", pipeline_.epoch, "): ", plan.stages.size(), " stage",
      plan.stages.size() == 1 ? "" : "s", ", KV cache for ", plan.kv_pages * kKvPageTokens,
      " tokens");
  for (const StagePlan& stage : plan.stages) {
    const Member& worker = *workers[stage.worker];
    pipeline_.stages.push_back({.worker = worker.id,
                                .name = worker.info.name,
                                .address = worker.info.data_address,
                                .layers = stage.layers});
    Say("  stage ", pipeline_.stages.size() - 1, ": layers ", stage.layers.begin, "-",
        stage.layers.end - 1, " of ", manifest_.config.layers, " on worker ", worker.info.name);
  }
  phase_ = Phase::kPreparing;
  Emit(PipelinePlanned{pipeline_});
  std::vector<PrepareStage> orders = StageOrders();
  for (size_t i = 0; i < orders.size(); ++i) {
    Member& member = members_.at(pipeline_.stages[i].worker);
    member.state = StageState::kLoading;
    member.moved = now_;
    member.quarters_noted = 0;
    member.steps_done = 0;
    member.steps_queued = 0;
    Send(member.id, std::move(orders[i]));
  }
}

std::vector<PrepareStage> Membership::StageOrders() const {
  std::vector<PrepareStage> orders;
  std::vector<std::string> addresses;
  for (size_t i = 0; i < pipeline_.stages.size(); ++i) {
    orders.push_back(StageOrder(i));
    addresses.push_back(pipeline_.stages[i].address);
  }
  std::vector<std::vector<TensorRef>*> tensors;
  for (PrepareStage& order : orders) tensors.push_back(&order.tensors);
  fan_out_.FillPeers(addresses, tensors);
  return orders;
}

PrepareStage Membership::StageOrder(size_t stage) const {
  const bool last = stage + 1 == pipeline_.stages.size();
  const LayerRange layers = pipeline_.stages[stage].layers;
  return {.epoch = pipeline_.epoch,
          .config = manifest_.config,
          .model_digest = manifest_.digest,
          .rope_digest = config_.rope_digest,
          .tensors = StageTensors(manifest_, layers),
          .model_path = config_.model_path,
          .layers = layers,
          .stage = static_cast<uint32_t>(stage),
          .stages = static_cast<uint32_t>(pipeline_.stages.size()),
          .next_address = last ? "" : pipeline_.stages[stage + 1].address,
          .kv_type = config_.plan.kv_type,
          .kv_pages = pipeline_.kv_pages,
          .max_rows = config_.max_rows};
}

void Membership::Send(WorkerId worker, CoordinatorMessage message) {
  Emit(SendToWorker{worker, std::move(message)});
}

template <typename... Parts>
void Membership::Say(const Parts&... parts) {
  Emit(Note{absl::StrCat(parts...)});
}

}  // namespace tern
