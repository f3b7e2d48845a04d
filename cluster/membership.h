// SPDX-License-Identifier: MIT
// Who is in the cluster, which workers form the pipeline, and whether it is up. A pure state
// machine: events in, actions out; no clock, no lock, no socket. Tests drive it by text files
// (tests/cluster/testdata/membership).
//
// Joining. A worker says hello, is given processors of its host that nobody else has, measures
// itself and registers; then the links between its host and the others are probed.
//
// Plans. When `workers` are there, the best plan over all of them is made (partition/planner.h);
// who is not in it is a spare. A plan is installed in two phases: every stage prepares (loads its
// weights, allocates its cache), and only when all are ready every stage commits. Each attempt has
// an epoch of its own, and whatever speaks of another epoch is ignored. A worker that is lost, or
// fails, ends the epoch; the next one begins at once, with those that are left.
//
// Moves. While a pipeline serves, a better plan may come up because a worker joined, or another one
// may be needed because a worker is to be drained. The workers of the new plan first fetch the
// weights that they lack; then the old epoch ends and the new one begins. Requests are kept.
//
// A worker is lost when its stream breaks, when it is silent for longer than its lease, or when it
// has work but shows no progress for long: a stuck compute loop must not look healthy.
#ifndef TERN_CLUSTER_MEMBERSHIP_H_
#define TERN_CLUSTER_MEMBERSHIP_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "cluster/cpu_claims.h"
#include "cluster/fan_out.h"
#include "cluster/link_probes.h"
#include "cluster/messages.h"
#include "partition/cost_model.h"
#include "partition/plan.h"

namespace tern {

// Names one stream of a worker. A worker that rejoins gets another.
using WorkerId = uint64_t;

// How often workers send a heartbeat, and how long one may be silent.
inline constexpr absl::Duration kHeartbeatPeriod = absl::Milliseconds(500);
inline constexpr absl::Duration kLease = absl::Seconds(2);
// How long a stream may be open before its worker says hello.
inline constexpr absl::Duration kHelloPatience = absl::Seconds(10);
// How long a worker may have steps queued, a stage to load, or itself to measure, without any
// progress. Generous: a prefill step of a large model on a small machine takes a good part of a
// minute.
inline constexpr absl::Duration kStuckAfter = absl::Seconds(120);
// Pause before a plan is tried again after a stage, or the move to it, failed; doubles with each
// failure in a row.
inline constexpr absl::Duration kFirstRetry = absl::Seconds(1);
inline constexpr absl::Duration kLastRetry = absl::Seconds(30);
// Moves that fail in a row before the drains that want one are refused.
inline constexpr uint32_t kMostFailedMoves = 3;

struct MembershipConfig {
  uint32_t workers = 2;      // waited for at the start; as many are in a pipeline if they are there
  uint32_t max_workers = 0;  // in a pipeline; 0: as many as help
  double move_gain = 0.1;    // a plan that is better by this share is worth moving to
  bool probe_links = true;   // otherwise links count as fast
  std::string version;       // of this build: workers of another are refused
  PlanOptions plan;
  std::string model_path;    // of the coordinator's file
  std::string rope_digest;   // as this build computes it
  std::string host;          // the coordinator's machine, as in Hello
  std::string unix_address;  // of the coordinator, for results from there
  uint32_t max_rows = 256;   // of a step
  WireType wire = WireType::kF32;
};

// A pipeline and its workers, in order.
struct PipelineStage {
  WorkerId worker = 0;
  std::string name;          // of the worker
  std::string address;       // where its frames go
  std::string unix_address;  // and from its own machine
  LayerRange layers;
  uint64_t weight_bytes = 0;  // in the worker's memory, as planned
  uint64_t kv_bytes = 0;
};
struct Pipeline {
  uint64_t epoch = 0;
  std::vector<PipelineStage> stages;
  uint64_t kv_pages = 0;  // on every stage
};

// --- Events ---

// A worker opened its stream.
struct WorkerConnected {
  WorkerId worker = 0;
};
// The first message of a worker is its Hello.
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
  bool unreachable = false;  // that link could not even be opened
};
// A worker's layers are to move to others, and it is to end. Answered by DrainEnded.
struct DrainWorker {
  std::string name;
};
// Time has passed. Wanted a few times a second.
struct Tick {};

using MembershipEvent =
    std::variant<WorkerConnected, WorkerSaid, WorkerGone, PipelineFailed, DrainWorker, Tick>;

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
// The epoch is over, whether it was up or not. Requests wait for the next one; if it does not come
// in time they end with `reason`, which is UNAVAILABLE.
struct PipelineDown {
  uint64_t epoch = 0;
  absl::Status reason;
  bool is_move = false;  // by choice: the next epoch begins at once
};
// The worker is gone; or NOT_FOUND if there is none of the name, FAILED_PRECONDITION if the others
// cannot do without it.
struct DrainEnded {
  std::string name;
  absl::Status status;
};
// A line for the log.
struct Note {
  std::string text;
};

using MembershipAction = std::variant<SendToWorker, EndWorker, PipelinePlanned, PipelineUp,
                                      PipelineDown, DrainEnded, Note>;

// What there is, for those who ask.
struct WorkerView {
  WorkerId id = 0;
  RegisterWorker info;
  std::string host;  // as hostname: see Hello
  std::string hostname;
  LayerRange layers;      // of its stage; none: a spare
  bool fetching = false;  // has none yet, but has one in the plan that will follow the present one
  bool draining = false;
};
struct ClusterView {
  std::vector<WorkerView> workers;    // those registered, in order of their streams
  std::vector<WorkerView> measuring;  // not yet: `info` has just their names and processors
  std::vector<PairLink> links;        // between `workers`, as probed
  std::string why_down;               // why no pipeline is up, while none is
};

// Thread-compatible.
class Membership {
 public:
  // `manifest` must outlive the object.
  Membership(MembershipConfig config, const ModelManifest& manifest)
      : config_(std::move(config)), manifest_(manifest), missing_noted_(config_.workers) {}

  // Handles `event`, which happened at `now`; time never goes back.
  std::vector<MembershipAction> Step(absl::Time now, const MembershipEvent& event);

  ClusterView View() const;
  // Grows whenever View may have changed.
  uint64_t changes() const { return changes_; }

 private:
  enum class Phase { kIdle, kPreparing, kCommitting, kServing };
  enum class StageState { kNone, kLoading, kReady, kCommitted };

  struct Member {
    WorkerId id = 0;
    Hello hello;
    bool registered = false;
    RegisterWorker info;  // until it is registered: just its name and processors
    absl::Time heard;     // last message
    absl::Time moved;     // last progress of its stage
    StageState state = StageState::kNone;
    int quarters_noted = 0;  // of its loading
    uint64_t steps_done = 0;
    uint64_t steps_queued = 0;
    uint32_t failures = 0;  // of its stages, other than lost links, and to be reached by us
    bool draining = false;
    uint64_t drain_asked = 0;  // how many drains were asked for up to then
  };

  // A plan and the workers that it counts.
  struct Choice {
    std::vector<const Member*> workers;
    CostModel costs;
    Plan plan;
  };

  // A pipeline that will follow the present one.
  struct Move {
    Pipeline next;
    std::set<WorkerId> fetching;
    absl::Time progressed;
  };

  void On(const WorkerConnected& event);
  void On(const WorkerSaid& event);
  void On(const WorkerGone& event);
  void On(const PipelineFailed& event);
  void On(const DrainWorker& event);
  void On(const Tick& event);

  void Greet(WorkerId worker, const Hello& hello);
  void Hear(Member& member, const Hello& message);
  void Hear(Member& member, const RegisterWorker& message);
  void Hear(Member& member, const LoadProgress& message);
  void Hear(Member& member, const StageReady& message);
  void Hear(Member& member, const StageCommitted& message);
  void Hear(Member& member, const StageFailed& message);
  void Hear(Member& member, const Heartbeat& message);
  void Hear(Member& member, const LinkProbed& message);
  void Hear(Member& member, const StagePrefetched& message);
  void Hear(Member& member, const Leaving& message);

  // Whether `member` runs a stage of the present epoch and `epoch` is that.
  bool Concerns(const Member& member, uint64_t epoch) const;
  bool AllStages(StageState state) const;
  bool IsStuck(const Member& member) const;
  size_t Available() const;  // workers that a plan may count
  void EndSilentStreams();

  // Ends a worker's stream, which is then lost.
  void Expel(WorkerId worker, const absl::Status& status);
  void Lose(WorkerId worker, const std::string& reason);
  void Forget(WorkerId worker);
  // Ends the epoch.
  void TakeDown(const std::string& reason, bool is_move = false);
  // As TakeDown, for a failure that may come again: the next plan waits.
  void TakeDownAndWait(const std::string& reason);

  // --- membership_plan.cc ---

  void StartProbes();
  void FinishProbe(uint64_t number, const absl::StatusOr<LinkSpeed>& found);

  // Installs a plan if none is and enough workers are there.
  void MaybePlan();
  void WaitFor(const std::string& what);
  std::string WhyDown() const;
  absl::StatusOr<Choice> ChoosePlan() const;
  // As many drains as must be are refused, the last first.
  absl::StatusOr<Choice> ChoosePlanOrRefuseDrains();
  absl::StatusOr<Choice> PlanOver(const std::vector<const Member*>& workers) const;
  ClusterProfile ProfileOf(const std::vector<const Member*>& workers) const;
  Pipeline PipelineOf(const Choice& choice) const;  // of the next epoch
  void Install(Pipeline pipeline);
  // The worker's unix socket, for `host`; empty if it is on another.
  static std::string NearAddress(const std::string& host, const Member& worker);
  std::string NextUnixAddress(const Pipeline& pipeline, size_t stage) const;
  PrepareStage StageOrder(const Pipeline& pipeline, size_t stage) const;
  std::vector<PrepareStage> StageOrders(const Pipeline& pipeline) const;

  // Begins to move to another plan, if one is wanted.
  void MaybeMove();
  bool HasDrainingStage() const;
  void PreferSubstitutes(Choice& choice) const;
  bool IsWorthMoving(const Choice& choice);
  double Value(const CostModel& costs, const Plan& plan) const;
  void BeginMove(const Choice& choice);
  void FinishMove();
  void GiveUpMove(const std::string& reason);
  // As GiveUpMove, for a failure that may come again: the next move waits.
  void FailMove(const std::string& reason);
  static absl::Duration PauseAfter(uint32_t failures_before);
  // Those that are to be drained and have no stage left are; and those that cannot be, are not.
  void DismissDrained();
  bool RefuseLastDrain(const absl::Status& reason);

  void Emit(MembershipAction action) { actions_.push_back(std::move(action)); }
  void Send(WorkerId worker, CoordinatorMessage message);
  template <typename... Parts>
  void Say(const Parts&... parts) {
    Emit(Note{absl::StrCat(parts...)});
  }

  const MembershipConfig config_;
  const ModelManifest& manifest_;

  absl::Time now_;
  std::vector<MembershipAction> actions_;  // of the Step at work
  std::map<WorkerId, absl::Time> silent_;  // streams without a hello, and until when that may be so
  std::map<WorkerId, Member> members_;     // in order of their streams
  CpuClaims claims_;
  LinkProbes probes_;
  Phase phase_ = Phase::kIdle;
  FanOut fan_out_;
  Pipeline pipeline_;  // its epoch is the last one begun; no stages while idle
  absl::Time retry_at_ = absl::InfinitePast();
  uint32_t failures_in_row_ = 0;
  std::string waits_for_;   // while idle: if not only for the time of the next attempt
  std::string last_end_;    // why the last epoch ended, until another serves
  uint32_t missing_noted_;  // workers that the log was told are waited for
  bool started_ = false;    // a pipeline was up since there last was nobody
  std::optional<Move> move_;
  bool reconsider_ = false;  // something changed that may make another plan better
  absl::Time move_at_ = absl::InfinitePast();  // not before
  uint32_t failed_moves_ = 0;                  // in a row
  uint64_t drains_asked_ = 0;
  uint64_t changes_ = 0;
};

}  // namespace tern

#endif  // TERN_CLUSTER_MEMBERSHIP_H_
