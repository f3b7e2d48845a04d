// SPDX-License-Identifier: MIT
#include "cluster/membership.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/about.h"
#include "base/cpuset.h"
#include "cluster/manifest.h"

namespace tern {
namespace {

std::string Describe(const RegisterWorker& info) {
  return absl::StrCat(info.machine, "; cpus ", info.cpuset, ", ", info.threads, " thread",
                      info.threads == 1 ? "" : "s", ", ", info.isa, ", ",
                      absl::StrFormat("%.1f", 1 / info.speed.ternary.For(1)), " G weights/s");
}

absl::Status CheckBuild(const Hello& info, const std::string& version) {
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
  StartProbes();
  MaybePlan();
  MaybeMove();
  return std::exchange(actions_, {});
}

// --- Events ---

void Membership::On(const WorkerConnected& event) { silent_[event.worker] = now_ + kHelloPatience; }

void Membership::On(const WorkerSaid& event) {
  silent_.erase(event.worker);
  const auto found = members_.find(event.worker);
  if (found != members_.end()) {
    found->second.heard = now_;
    std::visit([&](const auto& message) { Hear(found->second, message); }, event.message);
  } else if (const auto* hello = std::get_if<Hello>(&event.message)) {
    Greet(event.worker, *hello);
  } else {
    Emit(EndWorker{event.worker, absl::InvalidArgumentError("a worker must say hello first")});
  }
}

void Membership::On(const WorkerGone& event) {
  silent_.erase(event.worker);
  Lose(event.worker, event.reason);
}

void Membership::On(const PipelineFailed& event) {
  if (phase_ == Phase::kIdle || event.epoch != pipeline_.epoch) return;
  const std::string reason(event.status.message());
  if (!event.unreachable) return TakeDownAndWait(reason);
  // Every stage has committed, so those before did not fail in a row with this one.
  Member& first = members_.at(pipeline_.stages.front().worker);
  failures_in_row_ = first.failures++;
  TakeDownAndWait(reason);
}

void Membership::On(const DrainWorker& event) {
  const auto found = std::find_if(members_.begin(), members_.end(), [&](const auto& entry) {
    return entry.second.registered && entry.second.info.name == event.name;
  });
  if (found == members_.end()) {
    return Emit(DrainEnded{event.name,
                           absl::NotFoundError(absl::StrCat("no worker is named ", event.name))});
  }
  Member& member = found->second;
  if (member.draining) return;
  Say("worker ", event.name, " is to be drained");
  member.draining = true;
  member.drain_asked = ++drains_asked_;
  ++changes_;
  // A move that was begun does not know of it.
  if (move_.has_value()) GiveUpMove(absl::StrCat("worker ", event.name, " is to be drained"));
  reconsider_ = true;
  failed_moves_ = 0;
  move_at_ = absl::InfinitePast();
  if (phase_ == Phase::kIdle || phase_ == Phase::kServing) DismissDrained();
}

void Membership::On(const Tick&) {
  for (const uint64_t number : probes_.Overdue(now_)) {
    FinishProbe(number, absl::DeadlineExceededError("no answer"));
  }
  if (move_.has_value() && now_ - move_->progressed > kStuckAfter) {
    FailMove("fetching weights made no progress");
  }
  std::vector<std::pair<WorkerId, absl::Status>> lost;
  for (const auto& [id, member] : members_) {
    const absl::Duration lease = member.registered ? kLease : kStuckAfter;
    if (now_ - member.heard > lease) {
      lost.emplace_back(id,
                        absl::UnavailableError(absl::StrCat("silent for longer than its lease of ",
                                                            absl::FormatDuration(lease))));
    } else if (IsStuck(member)) {
      lost.emplace_back(id,
                        absl::UnavailableError(absl::StrCat("it has work but made no progress for ",
                                                            absl::FormatDuration(kStuckAfter))));
    }
  }
  for (const auto& [id, status] : lost) Expel(id, status);
  EndSilentStreams();
}

void Membership::EndSilentStreams() {
  std::erase_if(silent_, [this](const auto& entry) {
    if (now_ <= entry.second) return false;
    Emit(EndWorker{entry.first,
                   absl::DeadlineExceededError(absl::StrCat(
                       "found no hello, want one within ", absl::FormatDuration(kHelloPatience)))});
    return true;
  });
}

void Membership::Greet(WorkerId worker, const Hello& hello) {
  const auto refuse = [&](const absl::Status& status) {
    Say("refused: ", status.message());
    Emit(EndWorker{worker, status});
  };
  const absl::Status build = CheckBuild(hello, config_.version);
  if (!build.ok()) return refuse(build);
  for (const auto& [id, member] : members_) {
    if (member.hello.name != hello.name) continue;
    return refuse(absl::AlreadyExistsError(
        absl::StrCat("worker name: found ", hello.name, ", which a worker on ",
                     member.hello.hostname, " has; want another")));
  }
  const absl::StatusOr<std::vector<int>> cpus = claims_.Claim(worker, hello);
  if (!cpus.ok()) return refuse(About(absl::StrCat("worker ", hello.name), cpus.status()));
  Member& member = members_[worker];
  member.id = worker;
  member.hello = hello;
  member.info.name = hello.name;
  member.info.cpuset = CpusetName(*cpus);
  member.heard = now_;
  ++changes_;
  Send(worker, Welcome{config_.version, *cpus});
}

void Membership::Hear(Member& member, const Hello&) {
  Expel(member.id, absl::InvalidArgumentError("a worker must say hello once"));
}

void Membership::Hear(Member& member, const RegisterWorker& info) {
  if (member.registered || info.name != member.hello.name) {
    return Expel(member.id, absl::InvalidArgumentError(
                                "a worker must register once, by the name of its hello"));
  }
  member.registered = true;
  member.info = info;
  for (auto& [id, other] : members_) {
    const bool alike = other.registered && id != member.id &&
                       other.hello.host == member.hello.host && other.info.threads == info.threads;
    if (alike) EvenOut(member.info.speed, other.info.speed);
  }
  ++changes_;
  retry_at_ = absl::InfinitePast();
  reconsider_ = true;
  failed_moves_ = 0;
  Say("worker ", info.name, " joined", phase_ == Phase::kIdle ? "" : " as a spare", " from ",
      info.data_address, ": ", Describe(info));
  if (config_.probe_links) probes_.Add(member.id, member.hello.host);
}

void Membership::Hear(Member& member, const LoadProgress& message) {
  if (move_.has_value() && message.epoch == move_->next.epoch) move_->progressed = now_;
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
  started_ = true;
  last_end_.clear();
  Emit(PipelineUp{pipeline_});
  DismissDrained();
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
      probes_.Doubt(member.id, pipeline_.stages[i + 1].worker);
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

void Membership::Hear(Member&, const LinkProbed& message) {
  if (message.status.ok()) {
    FinishProbe(message.number, message.speed);
  } else {
    FinishProbe(message.number, message.status);
  }
}

void Membership::Hear(Member& member, const StagePrefetched& message) {
  if (!move_.has_value() || message.epoch != move_->next.epoch) return;
  if (absl::IsCancelled(message.status)) return;  // for a later order, whose end is yet to come
  if (!message.status.ok()) {
    if (!absl::IsUnavailable(message.status)) ++member.failures;
    return FailMove(absl::StrCat("worker ", member.info.name,
                                 " cannot fetch its weights: ", message.status.message()));
  }
  move_->progressed = now_;
  if (move_->fetching.erase(member.id) == 0) return;
  Say("worker ", member.info.name, " has its weights (fetched ", message.bytes_fetched, " bytes)");
  if (move_->fetching.empty()) FinishMove();
}

void Membership::Hear(Member& member, const Leaving&) {
  const WorkerId worker = member.id;
  Emit(EndWorker{worker, absl::OkStatus()});
  Lose(worker, "it was told to stop");
}

// --- State ---

void Membership::WaitFor(const std::string& what) {
  if (waits_for_ == what) return;
  waits_for_ = what;
  ++changes_;
}

std::string Membership::WhyDown() const {
  if (phase_ == Phase::kServing) return "";
  if (phase_ == Phase::kIdle) return waits_for_.empty() ? last_end_ : waits_for_;
  return absl::StrCat("stages of epoch ", pipeline_.epoch, " are loading",
                      last_end_.empty() ? "" : absl::StrCat(" (", last_end_, ")"));
}

ClusterView Membership::View() const {
  ClusterView view;
  view.why_down = WhyDown();
  std::map<WorkerId, size_t> places;
  for (const auto& [id, member] : members_) {
    std::vector<WorkerView>& workers = member.registered ? view.workers : view.measuring;
    if (member.registered) places[id] = workers.size();
    workers.push_back({.id = id,
                       .info = member.info,
                       .host = member.hello.host,
                       .hostname = member.hello.hostname,
                       .layers = {},
                       .fetching = false,
                       .draining = member.draining});
  }
  for (const PipelineStage& stage : pipeline_.stages) {
    const auto place = places.find(stage.worker);
    if (place != places.end()) view.workers[place->second].layers = stage.layers;
  }
  if (move_.has_value()) {
    for (const PipelineStage& stage : move_->next.stages) {
      WorkerView& worker = view.workers[places.at(stage.worker)];
      worker.fetching = worker.layers.begin == worker.layers.end;
    }
  }
  for (const auto& [from, from_place] : places) {
    for (const auto& [to, to_place] : places) {
      const std::optional<LinkSpeed> speed = probes_.Speed(from, to);
      if (from != to && speed.has_value()) view.links.push_back({from_place, to_place, *speed});
    }
  }
  return view;
}

bool Membership::Concerns(const Member& member, uint64_t epoch) const {
  return phase_ != Phase::kIdle && epoch == pipeline_.epoch && member.state != StageState::kNone;
}

bool Membership::AllStages(StageState state) const {
  return std::all_of(
      pipeline_.stages.begin(), pipeline_.stages.end(),
      [&](const PipelineStage& stage) { return members_.at(stage.worker).state == state; });
}

size_t Membership::Available() const {
  return static_cast<size_t>(std::count_if(members_.begin(), members_.end(), [](const auto& entry) {
    return entry.second.registered && !entry.second.draining;
  }));
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
  const std::string name = found->second.hello.name;
  const bool in_pipeline = found->second.state != StageState::kNone;
  if (found->second.draining) Emit(DrainEnded{name, absl::OkStatus()});
  Forget(worker);
  retry_at_ = absl::InfinitePast();
  const std::string lost = absl::StrCat("worker ", name, " was lost: ", reason);
  if (in_pipeline) {
    TakeDown(lost);
  } else {
    Say(lost);
  }
}

// Also ends a move that it was to take part in.
void Membership::Forget(WorkerId worker) {
  const auto found = members_.find(worker);
  const std::string name = found->second.hello.name;
  fan_out_.Forget(found->second.info.data_address);
  members_.erase(found);
  claims_.Release(worker);
  probes_.Remove(worker);
  ++changes_;
  if (!move_.has_value()) return;
  const std::vector<PipelineStage>& stages = move_->next.stages;
  if (std::any_of(stages.begin(), stages.end(),
                  [&](const PipelineStage& stage) { return stage.worker == worker; })) {
    GiveUpMove(absl::StrCat("worker ", name, " is gone"));
  }
}

void Membership::TakeDown(const std::string& reason, bool is_move) {
  Say("pipeline down (epoch ", pipeline_.epoch, "): ", reason);
  Emit(PipelineDown{pipeline_.epoch, absl::UnavailableError(reason), is_move});
  move_.reset();
  ++changes_;
  last_end_ = reason;
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
  retry_at_ = now_ + PauseAfter(failures_in_row_++);
}

void Membership::Send(WorkerId worker, CoordinatorMessage message) {
  actions_.emplace_back(std::in_place_type<SendToWorker>, worker, std::move(message));
}

}  // namespace tern
