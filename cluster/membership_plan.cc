// SPDX-License-Identifier: MIT
// Membership's plans: which to install, and when to move from one to another.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "cluster/manifest.h"
#include "cluster/membership.h"
#include "partition/planner.h"
#include "partition/prediction.h"

namespace tern {
namespace {

// What plans are compared by needs a prompt; neither objective depends on it.
constexpr uint32_t kAnyPrompt = 64;

std::string Describe(const LinkSpeed& speed) {
  return absl::StrFormat("%.3g Gbit/s, %.0f us", speed.bytes_per_second * 8 / 1e9,
                         speed.latency_seconds * 1e6);
}

}  // namespace

// --- Links ---

void Membership::StartProbes() {
  for (const LinkProbes::Probe& probe : probes_.Start(now_)) {
    Send(probe.from, ProbeLink{probe.number, members_.at(probe.to).info.data_address});
  }
}

void Membership::FinishProbe(uint64_t number, const absl::StatusOr<LinkSpeed>& found) {
  const auto ends =
      probes_.Finish(number, found.ok() ? std::optional<LinkSpeed>(*found) : std::nullopt, now_);
  if (!ends.has_value() || !ends->is_news) return;
  Say("link from ", members_.at(ends->from).info.name, " to ", members_.at(ends->to).info.name,
      ": ",
      found.ok() ? Describe(*found) : absl::StrCat("probe failed: ", found.status().message()));
  reconsider_ = true;
  ++changes_;
}

// --- Choice ---

ClusterProfile Membership::ProfileOf(const std::vector<const Member*>& workers) const {
  ClusterProfile cluster;
  for (const Member* member : workers) {
    cluster.workers.push_back({.name = member->info.name,
                               .memory_bytes = member->info.memory_bytes,
                               .speed = member->info.speed,
                               .link = FastLink()});
  }
  for (size_t from = 0; from < workers.size(); ++from) {
    for (size_t to = 0; to < workers.size(); ++to) {
      const std::optional<LinkSpeed> speed = probes_.Speed(workers[from]->id, workers[to]->id);
      if (from != to && speed.has_value()) cluster.pairs.push_back({from, to, *speed});
    }
  }
  return cluster;
}

// The best plan over those that failed least, if they are as many as are wanted; or else over more.
absl::StatusOr<Membership::Choice> Membership::ChoosePlan() const {
  std::vector<const Member*> available;
  std::set<uint32_t> failures;
  for (const auto& [id, member] : members_) {
    if (!member.registered || member.draining) continue;
    available.push_back(&member);
    failures.insert(member.failures);
  }
  absl::StatusOr<Choice> choice = absl::ResourceExhaustedError("no other is left");
  for (const uint32_t most : failures) {
    std::vector<const Member*> workers;
    std::copy_if(available.begin(), available.end(), std::back_inserter(workers),
                 [&](const Member* member) { return member->failures <= most; });
    if (workers.size() < std::min<size_t>(config_.workers, available.size())) continue;
    choice = PlanOver(workers);
    if (!absl::IsResourceExhausted(choice.status())) return choice;
  }
  return choice;
}

// Fewer stages than are wanted are better than none.
absl::StatusOr<Membership::Choice> Membership::PlanOver(
    const std::vector<const Member*>& workers) const {
  PlanOptions options = config_.plan;
  options.min_stages = static_cast<uint32_t>(std::min<size_t>(config_.workers, workers.size()));
  options.max_stages = config_.max_workers;
  const ClusterProfile cluster = ProfileOf(workers);
  while (true) {
    TERN_ASSIGN_OR_RETURN(CostModel costs, CostModel::Create(manifest_.config, cluster, options));
    absl::StatusOr<Plan> plan = MakePlan(costs);
    if (plan.ok()) return Choice{workers, std::move(costs), *std::move(plan)};
    if (!absl::IsResourceExhausted(plan.status()) || options.min_stages == 1) return plan.status();
    options.min_stages = 1;
  }
}

Pipeline Membership::PipelineOf(const Choice& choice) const {
  Pipeline pipeline{.epoch = pipeline_.epoch + 1, .stages = {}, .kv_pages = choice.plan.kv_pages};
  for (const StagePlan& stage : choice.plan.stages) {
    const Member& worker = *choice.workers[stage.worker];
    pipeline.stages.push_back({.worker = worker.id,
                               .name = worker.info.name,
                               .address = worker.info.data_address,
                               .unix_address = NearAddress(config_.host, worker),
                               .layers = stage.layers,
                               .weight_bytes = choice.costs.WeightBytes(stage.layers),
                               .kv_bytes = choice.costs.KvBytes(stage.layers)});
  }
  return pipeline;
}

// --- Installation ---

void Membership::MaybePlan() {
  if (phase_ != Phase::kIdle || now_ < retry_at_ || !probes_.idle()) return;
  if (Available() == 0) RefuseLastDrain(absl::FailedPreconditionError("no other is left"));
  const auto present = static_cast<uint32_t>(Available());
  if (present == 0) started_ = false;
  const uint32_t wanted = started_ ? 1 : config_.workers;
  const uint32_t missing = present < wanted ? wanted - present : 0;
  if (missing > 0) {
    const std::string text =
        absl::StrCat("waiting for ", missing, " more worker", missing == 1 ? "" : "s", " (",
                     present, " of ", wanted, " here)");
    if (missing != missing_noted_) Say(text);
    WaitFor(text);
  }
  missing_noted_ = missing;
  if (missing > 0) return;
  const absl::StatusOr<Choice> choice = ChoosePlanOrRefuseDrains();
  if (choice.ok()) {
    Install(PipelineOf(*choice));
  } else {
    const std::string text = absl::StrCat("no plan is possible: ", choice.status().message(),
                                          "; waiting for more workers");
    Say(text);
    WaitFor(text);
    retry_at_ = absl::InfiniteFuture();
  }
}

void Membership::Install(Pipeline pipeline) {
  pipeline_ = std::move(pipeline);
  ++changes_;
  Say("plan (epoch ", pipeline_.epoch, "): ", pipeline_.stages.size(), " stage",
      pipeline_.stages.size() == 1 ? "" : "s", ", KV cache for ",
      pipeline_.kv_pages * kKvPageTokens, " tokens");
  for (size_t i = 0; i < pipeline_.stages.size(); ++i) {
    const PipelineStage& stage = pipeline_.stages[i];
    Say("  stage ", i, ": layers ", stage.layers.begin, "-", stage.layers.end - 1, " of ",
        manifest_.config.layers, " on worker ", stage.name);
  }
  phase_ = Phase::kPreparing;
  waits_for_.clear();
  Emit(PipelinePlanned{pipeline_});
  std::vector<PrepareStage> orders = StageOrders(pipeline_);
  for (size_t i = 0; i < pipeline_.stages.size(); ++i) {
    Member& member = members_.at(pipeline_.stages[i].worker);
    member.state = StageState::kLoading;
    member.moved = now_;
    member.quarters_noted = 0;
    member.steps_done = 0;
    member.steps_queued = 0;
    Send(member.id, std::move(orders[i]));
  }
}

// With the workers from which to fetch the tensors.
std::vector<PrepareStage> Membership::StageOrders(const Pipeline& pipeline) const {
  std::vector<PrepareStage> orders;
  std::vector<std::string> addresses;
  for (size_t i = 0; i < pipeline.stages.size(); ++i) {
    orders.push_back(StageOrder(pipeline, i));
    addresses.push_back(pipeline.stages[i].address);
  }
  std::vector<std::vector<TensorRef>*> tensors;
  for (PrepareStage& order : orders) tensors.push_back(&order.tensors);
  fan_out_.FillPeers(addresses, tensors);
  return orders;
}

std::string Membership::NearAddress(const std::string& host, const Member& worker) {
  return worker.hello.host == host ? worker.info.unix_address : "";
}

std::string Membership::NextUnixAddress(const Pipeline& pipeline, size_t stage) const {
  const std::string& host = members_.at(pipeline.stages[stage].worker).hello.host;
  if (stage + 1 == pipeline.stages.size()) return host == config_.host ? config_.unix_address : "";
  return NearAddress(host, members_.at(pipeline.stages[stage + 1].worker));
}

PrepareStage Membership::StageOrder(const Pipeline& pipeline, size_t stage) const {
  const bool last = stage + 1 == pipeline.stages.size();
  const LayerRange layers = pipeline.stages[stage].layers;
  return {.epoch = pipeline.epoch,
          .config = manifest_.config,
          .model_digest = manifest_.digest,
          .rope_digest = config_.rope_digest,
          .tensors = StageTensors(manifest_, layers),
          .model_path = config_.model_path,
          .layers = layers,
          .stage = static_cast<uint32_t>(stage),
          .stages = static_cast<uint32_t>(pipeline.stages.size()),
          .next_address = last ? "" : pipeline.stages[stage + 1].address,
          .next_unix_address = NextUnixAddress(pipeline, stage),
          .kv_type = config_.plan.kv_type,
          .kv_pages = pipeline.kv_pages,
          .max_rows = config_.max_rows,
          .wire = config_.wire};
}

// --- Moves ---

void Membership::MaybeMove() {
  if (phase_ != Phase::kServing || move_.has_value() || !reconsider_) return;
  if (now_ < move_at_ || !probes_.idle()) return;
  reconsider_ = false;
  if (!HasDrainingStage() && Available() == pipeline_.stages.size()) return;
  absl::StatusOr<Choice> choice = ChoosePlanOrRefuseDrains();
  if (!choice.ok()) return;
  if (HasDrainingStage()) {
    PreferSubstitutes(*choice);
    BeginMove(*choice);
  } else if (IsWorthMoving(*choice)) {
    BeginMove(*choice);
  }
}

bool Membership::HasDrainingStage() const {
  return std::any_of(
      pipeline_.stages.begin(), pipeline_.stages.end(),
      [&](const PipelineStage& stage) { return members_.at(stage.worker).draining; });
}

// Where spares can take over the layers of those that leave as they are, the others go on with
// theirs: that is chosen unless it is clearly worse than the best plan.
void Membership::PreferSubstitutes(Choice& choice) const {
  std::map<WorkerId, size_t> places;
  std::vector<size_t> spares;
  for (size_t i = 0; i < choice.workers.size(); ++i) {
    places[choice.workers[i]->id] = i;
    if (choice.workers[i]->state == StageState::kNone) spares.push_back(i);
  }
  Plan plan{.stages = {}, .kv_pages = choice.plan.kv_pages};
  for (const PipelineStage& stage : pipeline_.stages) {
    const auto place = places.find(stage.worker);
    size_t worker = 0;
    if (place != places.end()) {
      worker = place->second;
    } else {
      const auto fit = std::find_if(spares.begin(), spares.end(), [&](size_t spare) {
        return choice.costs.Fits(spare, stage.layers);
      });
      if (fit == spares.end()) return;
      worker = *fit;
      spares.erase(fit);
    }
    plan.stages.push_back({worker, stage.layers});
  }
  const double best = Value(choice.costs, choice.plan);
  if (Value(choice.costs, plan) * (1 + config_.move_gain) >= best) choice.plan = std::move(plan);
}

// Tokens a second, of all streams or of one, as the objective says.
double Membership::Value(const CostModel& costs, const Plan& plan) const {
  const Prediction prediction = Predict(costs, plan, kAnyPrompt, kAnyPrompt);
  return config_.plan.objective == Objective::kThroughput ? prediction.loaded_tokens_per_second
                                                          : 1 / prediction.alone_token_seconds;
}

bool Membership::IsWorthMoving(const Choice& choice) {
  std::map<WorkerId, size_t> places;
  for (size_t i = 0; i < choice.workers.size(); ++i) places[choice.workers[i]->id] = i;
  Plan present{.stages = {}, .kv_pages = pipeline_.kv_pages};
  for (const PipelineStage& stage : pipeline_.stages) {
    const auto place = places.find(stage.worker);
    if (place == places.end()) return false;
    present.stages.push_back({place->second, stage.layers});
  }
  if (present.stages == choice.plan.stages) return false;
  const double now = Value(choice.costs, present);
  const double then = Value(choice.costs, choice.plan);
  const bool is_worth_it = then >= now * (1 + config_.move_gain);
  Say(is_worth_it ? "a better plan: " : "the plan stays: another would give ",
      absl::StrFormat("%.4g tokens/s instead of %.4g", then, now));
  return is_worth_it;
}

// A worker whose layers stay the same has its weights already.
void Membership::BeginMove(const Choice& choice) {
  std::map<WorkerId, LayerRange> present;
  for (const PipelineStage& stage : pipeline_.stages) present[stage.worker] = stage.layers;
  move_ = Move{.next = PipelineOf(choice), .fetching = {}, .progressed = now_};
  std::vector<PrepareStage> orders = StageOrders(move_->next);
  for (size_t i = 0; i < move_->next.stages.size(); ++i) {
    const PipelineStage& stage = move_->next.stages[i];
    const auto has = present.find(stage.worker);
    if (has != present.end() && has->second == stage.layers) continue;
    move_->fetching.insert(stage.worker);
    Send(stage.worker, PrefetchStage{std::move(orders[i])});
  }
  if (move_->fetching.empty()) return FinishMove();
  ++changes_;
  Say("getting ready for ", move_->next.stages.size(), " stage",
      move_->next.stages.size() == 1 ? "" : "s", "; weights are to be fetched by ",
      absl::StrJoin(move_->fetching, ", ", [this](std::string* text, WorkerId id) {
        absl::StrAppend(text, members_.at(id).info.name);
      }));
}

void Membership::FinishMove() {
  failed_moves_ = 0;
  Pipeline next = std::move(move_->next);
  TakeDown("moving to another plan", /*is_move=*/true);
  Install(std::move(next));
}

void Membership::GiveUpMove(const std::string& reason) {
  Say("the plan stays for now: ", reason);
  move_.reset();
  ++changes_;
  reconsider_ = true;
  move_at_ = now_ + kFirstRetry;
}

void Membership::FailMove(const std::string& reason) {
  GiveUpMove(reason);
  move_at_ = now_ + PauseAfter(failed_moves_++);
  if (failed_moves_ < kMostFailedMoves) return;
  while (RefuseLastDrain(absl::FailedPreconditionError(reason))) {
  }
}

void Membership::DismissDrained() {
  std::vector<WorkerId> drained;
  for (const auto& [id, member] : members_) {
    if (member.draining && member.state == StageState::kNone) drained.push_back(id);
  }
  for (const WorkerId id : drained) {
    const std::string name = members_.at(id).info.name;
    Say("worker ", name, " was drained");
    Send(id, Dismiss{"it was drained"});
    Emit(EndWorker{id, absl::OkStatus()});
    Forget(id);
    Emit(DrainEnded{name, absl::OkStatus()});
  }
}

// Who was asked for first has the better claim.
bool Membership::RefuseLastDrain(const absl::Status& reason) {
  Member* last = nullptr;
  for (auto& [id, member] : members_) {
    if (!member.draining) continue;
    if (last == nullptr || member.drain_asked > last->drain_asked) last = &member;
  }
  if (last == nullptr) return false;
  last->draining = false;
  ++changes_;
  const std::string text =
      absl::StrCat("the others cannot do without worker ", last->info.name, ": ", reason.message());
  Say(text);
  Emit(DrainEnded{last->info.name, absl::FailedPreconditionError(text)});
  return true;
}

absl::StatusOr<Membership::Choice> Membership::ChoosePlanOrRefuseDrains() {
  absl::StatusOr<Choice> choice = ChoosePlan();
  while (!choice.ok() && RefuseLastDrain(choice.status())) choice = ChoosePlan();
  return choice;
}

absl::Duration Membership::PauseAfter(uint32_t failures_before) {
  const uint32_t doublings = std::min<uint32_t>(failures_before, 10);
  return std::min(kFirstRetry * (1 << doublings), kLastRetry);
}

}  // namespace tern
