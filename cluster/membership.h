// SPDX-License-Identifier: MIT
// Who is in the cluster, which workers form the pipeline, and whether it is up. A pure state
// machine: events in, actions out; no clock, no lock, no socket. Tests drive it by text files
// (tests/cluster/testdata/membership).
//
// Policy. Workers join in any number; the first `workers` of them form the pipeline, the others are
// spares. A plan is installed in two phases: every stage prepares (loads its weights, allocates its
// cache), and only when all are ready every stage commits. Each attempt has an epoch of its own,
// and whatever speaks of another epoch is ignored. A worker that is lost, or fails, ends the epoch;
// if enough workers are left, the next one begins at once.
//
// A worker is lost when its stream breaks, when it is silent for longer than its lease, or when it
// has work but shows no progress for long: a stuck compute loop must not look healthy.
#ifndef TERN_CLUSTER_MEMBERSHIP_H_
#define TERN_CLUSTER_MEMBERSHIP_H_

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "cluster/fan_out.h"
#include "cluster/messages.h"
#include "partition/plan.h"

namespace tern {

// Names one stream of a worker. A worker that rejoins gets another.
using WorkerId = uint64_t;

// How often workers send a heartbeat, and how long one may be silent.
inline constexpr absl::Duration kHeartbeatPeriod = absl::Milliseconds(500);
inline constexpr absl::Duration kLease = absl::Seconds(2);
// How long a worker may have steps queued, or a stage to load, without any progress. Generous: a
// prefill step of a large model on a small machine takes a good part of a minute.
inline constexpr absl::Duration kStuckAfter = absl::Seconds(120);
// Pause before a plan is tried again after a stage failed; doubles with each failure in a row.
inline constexpr absl::Duration kFirstRetry = absl::Seconds(1);
inline constexpr absl::Duration kLastRetry = absl::Seconds(30);

struct MembershipConfig {
  uint32_t workers = 2;  // that form a pipeline
  std::string version;   // of this build: workers of another are refused
  PlanOptions plan;
  std::string model_path;   // of the coordinator's file
  std::string rope_digest;  // as this build computes it
  uint32_t max_rows = 256;  // of a step
};

// A pipeline and its workers, in order.
struct PipelineStage {
  WorkerId worker = 0;
  std::string name;     // of the worker
  std::string address;  // where its frames go
  LayerRange layers;
};
struct Pipeline {
  uint64_t epoch = 0;
  std::vector<PipelineStage> stages;
  uint64_t kv_pages = 0;  // on every stage
};

// --- Events ---

// The first message of a worker is its RegisterWorker.
struct WorkerSaid {
  WorkerId worker = 0;
  WorkerMessage message;
};
struct WorkerGone {
  WorkerId worker = 0;
  std::string reason;
};
// The coordinator cannot go on with the pipeline: its link to the first stage broke, or an answer
// made no sense. The message names the worker.
struct PipelineFailed {
  uint64_t epoch = 0;
  absl::Status status;
};
// Time has passed. Wanted a few times a second.
struct Tick {};

using MembershipEvent = std::variant<WorkerSaid, WorkerGone, PipelineFailed, Tick>;

// --- Actions, in order ---

struct SendToWorker {
  WorkerId worker = 0;
  CoordinatorMessage message;
};
// Ends the worker's stream with `status`; nothing is heard from it again.
struct EndWorker {
  WorkerId worker = 0;
  absl::Status status;
};
// A plan is being installed: from now on results of its epoch may be accepted.
struct PipelinePlanned {
  Pipeline pipeline;
};
// Every stage has committed.
struct PipelineUp {
  Pipeline pipeline;
};
// The epoch is over, whether it was up or not. Requests end with `reason`, which is UNAVAILABLE.
struct PipelineDown {
  uint64_t epoch = 0;
  absl::Status reason;
};
// A line for the log.
struct Note {
  std::string text;
};

using MembershipAction =
    std::variant<SendToWorker, EndWorker, PipelinePlanned, PipelineUp, PipelineDown, Note>;

// Thread-compatible.
class Membership {
 public:
  // `manifest` must outlive the object.
  Membership(MembershipConfig config, const ModelManifest& manifest)
      : config_(std::move(config)), manifest_(manifest), missing_noted_(config_.workers) {}

  // Handles `event`, which happened at `now`; time never goes back.
  std::vector<MembershipAction> Step(absl::Time now, const MembershipEvent& event);

 private:
  enum class Phase { kIdle, kPreparing, kCommitting, kServing };
  enum class StageState { kNone, kLoading, kReady, kCommitted };

  struct Member {
    WorkerId id = 0;
    RegisterWorker info;
    absl::Time heard;  // last message
    absl::Time moved;  // last progress of its stage
    StageState state = StageState::kNone;
    int quarters_noted = 0;  // of its loading
    uint64_t steps_done = 0;
    uint64_t steps_queued = 0;
    uint32_t failures = 0;  // of its stages, other than lost links
  };

  void On(const WorkerSaid& event);
  void On(const WorkerGone& event);
  void On(const PipelineFailed& event);
  void On(const Tick& event);

  void Admit(WorkerId worker, const RegisterWorker& info);
  void Hear(Member& member, const RegisterWorker& message);
  void Hear(Member& member, const LoadProgress& message);
  void Hear(Member& member, const StageReady& message);
  void Hear(Member& member, const StageCommitted& message);
  void Hear(Member& member, const StageFailed& message);
  void Hear(Member& member, const Heartbeat& message);

  // Whether `member` runs a stage of the present epoch and `epoch` is that.
  bool Concerns(const Member& member, uint64_t epoch) const;
  bool AllStages(StageState state) const;
  bool IsStuck(const Member& member) const;

  // Ends a worker's stream, which is then lost.
  void Expel(WorkerId worker, const absl::Status& status);
  void Lose(WorkerId worker, const std::string& reason);
  // Ends the epoch.
  void TakeDown(const std::string& reason);
  // As TakeDown, for a failure that may come again: the next plan waits.
  void TakeDownAndWait(const std::string& reason);

  // Installs a plan if none is and enough workers are there.
  void MaybePlan();
  absl::StatusOr<Plan> ChoosePlan(std::vector<const Member*>& workers) const;
  absl::StatusOr<Plan> PlanOver(const std::vector<const Member*>& workers) const;
  void Prepare(const Plan& plan, const std::vector<const Member*>& workers);
  PrepareStage StageOrder(size_t stage) const;
  std::vector<PrepareStage> StageOrders() const;

  void Emit(MembershipAction action) { actions_.push_back(std::move(action)); }
  void Send(WorkerId worker, CoordinatorMessage message);
  template <typename... Parts>
  void Say(const Parts&... parts);

  const MembershipConfig config_;
  const ModelManifest& manifest_;

  absl::Time now_;
  std::vector<MembershipAction> actions_;  // of the Step at work
  std::map<WorkerId, Member> members_;     // in order of their streams
  Phase phase_ = Phase::kIdle;
  FanOut fan_out_;
  Pipeline pipeline_;  // its epoch is the last one begun; no stages while idle
  absl::Time retry_at_ = absl::InfinitePast();
  uint32_t failures_in_row_ = 0;
  uint32_t missing_noted_;  // workers that the log was told are waited for
};

}  // namespace tern

#endif  // TERN_CLUSTER_MEMBERSHIP_H_
