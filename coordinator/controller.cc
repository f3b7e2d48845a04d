// SPDX-License-Identifier: MIT
#include "coordinator/controller.h"

#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "cluster/clock.h"
#include "cluster/unix_transport.h"

namespace tern {
namespace {

// Fine enough to end a lease within a tenth of a second.
constexpr absl::Duration kTickPeriod = absl::Milliseconds(100);

}  // namespace

Controller::Controller(ControllerOptions options)
    : options_(std::move(options)),
      membership_(options_.membership, *options_.manifest),
      thread_([this] { Loop(); }) {}

Controller::~Controller() { Stop(); }

void Controller::Stop() {
  {
    MutexLock lock(mu_);
    stop_ = true;
  }
  wake_.NotifyOne();
  if (thread_.joinable()) thread_.join();
}

WorkerId Controller::Connect(std::shared_ptr<WorkerStream> stream) {
  MutexLock lock(mu_);
  streams_[++last_worker_] = std::move(stream);
  events_.push_back(WorkerConnected{last_worker_});
  wake_.NotifyOne();
  return last_worker_;
}

void Controller::OnMessage(WorkerId worker, WorkerMessage message) {
  if (const auto* heartbeat = std::get_if<Heartbeat>(&message)) NoteLoad(worker, *heartbeat);
  Post(WorkerSaid{worker, std::move(message)});
}

void Controller::OnGone(WorkerId worker, const std::string& reason) {
  Post(WorkerGone{worker, reason});
  MutexLock lock(mu_);
  streams_.erase(worker);
  load_.Forget(worker);
}

// The first stage's heartbeats give the beat in which the load is sampled.
void Controller::NoteLoad(WorkerId worker, const Heartbeat& heartbeat) {
  const absl::Duration working = options_.engine->stats().busy;
  MutexLock lock(mu_);
  if (!streams_.contains(worker)) return;
  load_.Hear(worker, heartbeat);
  if (pipeline_.has_value() && pipeline_->stages.front().worker == worker) {
    load_.Sample(MonotonicNow(), *pipeline_, working);
  }
}

void Controller::Drain(const std::string& name, std::function<void(absl::Status)> done) {
  {
    MutexLock lock(mu_);
    if (!stop_) {
      drains_.emplace(name, std::move(done));
      events_.push_back(DrainWorker{name});
      wake_.NotifyOne();
      return;
    }
  }
  done(absl::CancelledError("the coordinator shut down"));
}

ClusterView Controller::view() const {
  MutexLock lock(mu_);
  return view_;
}

ClusterLoad Controller::load() const {
  MutexLock lock(mu_);
  return load_.load();
}

void Controller::OnEngineError(const absl::Status& status) {
  const std::optional<Pipeline> up = pipeline();
  if (up.has_value()) Post(PipelineFailed{up->epoch, status});
}

std::optional<Pipeline> Controller::pipeline() const {
  MutexLock lock(mu_);
  return pipeline_;
}

void Controller::Post(MembershipEvent event) {
  {
    MutexLock lock(mu_);
    events_.push_back(std::move(event));
  }
  wake_.NotifyOne();
}

void Controller::Loop() {
  absl::Time tick_due = MonotonicNow() + kTickPeriod;
  std::deque<MembershipEvent> events;
  // Messages before the tick that judges by them: a controller that was held up itself must not
  // find everyone silent.
  while (WaitForEvents(tick_due, events)) {
    for (const MembershipEvent& event : events) Step(event);
    if (MonotonicNow() < tick_due) continue;
    if (events.empty()) Step(Tick{});
    tick_due = events.empty() ? MonotonicNow() + kTickPeriod : MonotonicNow();
  }
  Shutdown();
}

// Takes all events there are, waiting for one until `tick_due`; false if it is time to stop.
bool Controller::WaitForEvents(absl::Time tick_due, std::deque<MembershipEvent>& events) {
  MutexLock lock(mu_);
  while (events_.empty() && !stop_ && MonotonicNow() < tick_due) {
    wake_.WaitFor(mu_, tick_due - MonotonicNow());
  }
  events = std::exchange(events_, {});
  return !stop_;
}

void Controller::Step(const MembershipEvent& event) {
  for (const MembershipAction& action : membership_.Step(MonotonicNow(), event)) {
    std::visit([this](const auto& what) { Do(what); }, action);
  }
  if (membership_.changes() == changes_published_) return;
  changes_published_ = membership_.changes();
  ClusterView view = membership_.View();
  MutexLock lock(mu_);
  view_ = std::move(view);
}

void Controller::Shutdown() {
  SetPipeline(std::nullopt);
  options_.engine->StopPipeline(absl::UnavailableError("the coordinator shut down"));
  options_.receiver->Refuse();
  std::vector<std::shared_ptr<WorkerStream>> streams;
  std::multimap<std::string, std::function<void(absl::Status)>> drains;
  {
    MutexLock lock(mu_);
    for (const auto& [id, stream] : streams_) streams.push_back(stream);
    drains = std::exchange(drains_, {});
  }
  for (const auto& [name, done] : drains) done(absl::CancelledError("the coordinator shut down"));
  for (const auto& stream : streams) stream->End(absl::OkStatus());
}

// --- Actions ---

void Controller::Do(const SendToWorker& action) {
  const std::shared_ptr<WorkerStream> stream = Find(action.worker);
  if (stream != nullptr) stream->Send(action.message);
}

void Controller::Do(const EndWorker& action) {
  const std::shared_ptr<WorkerStream> stream = Find(action.worker);
  if (stream != nullptr) stream->End(action.status);
}

void Controller::Do(const PipelinePlanned& action) {
  const FrameLimits limits = LimitsOf(action.pipeline.epoch, options_.manifest->config,
                                      action.pipeline.kv_pages, options_.membership.max_rows);
  options_.receiver->Accept(
      limits, [engine = options_.engine](Frame frame) { engine->OnFrame(std::move(frame)); });
}

void Controller::Do(const PipelineUp& action) {
  const Pipeline& pipeline = action.pipeline;
  const PipelineStage& first = pipeline.stages.front();
  const std::string link = absl::StrCat("worker ", first.name, ", the first stage: ");
  const auto fail = [this, link, epoch = pipeline.epoch](const absl::Status& status,
                                                         bool unreachable = false) {
    Post(PipelineFailed{epoch, absl::UnavailableError(absl::StrCat(link, status.message())),
                        unreachable});
  };
  // Steps are numbered from 1, and each is a frame.
  const auto taken = [engine = options_.engine, epoch = pipeline.epoch](uint64_t frames) {
    engine->OnTaken(epoch, frames);
  };
  absl::StatusOr<std::unique_ptr<FrameSender>> sender = ConnectNear(
      UnixTransport(pipeline.epoch), first.unix_address, *options_.make_transport(pipeline.epoch),
      first.address, {.on_failure = fail, .on_taken = taken});
  if (!sender.ok()) return fail(sender.status(), /*unreachable=*/true);
  const SchedulerConfig config{.epoch = pipeline.epoch,
                               .stages = static_cast<uint32_t>(pipeline.stages.size()),
                               .prefill_chunk = options_.prefill_chunk,
                               .max_rows = options_.membership.max_rows,
                               .kv_pages = pipeline.kv_pages,
                               .context = options_.manifest->config.context};
  options_.engine->StartPipeline(config, *std::move(sender));
  SetPipeline(pipeline);
}

// Whoever asks for health after a request has failed must not be told that all is well.
void Controller::Do(const PipelineDown& action) {
  SetPipeline(std::nullopt);
  options_.engine->LosePipeline(action.reason, /*planned=*/action.is_move);
  options_.receiver->Refuse();
}

void Controller::Do(const DrainEnded& action) {
  std::vector<std::function<void(absl::Status)>> ended;
  {
    MutexLock lock(mu_);
    const auto [begin, end] = drains_.equal_range(action.name);
    for (auto drain = begin; drain != end; ++drain) ended.push_back(std::move(drain->second));
    drains_.erase(begin, end);
  }
  for (const auto& done : ended) done(action.status);
}

void Controller::Do(const Note& action) { LogInfo(action.text); }

void Controller::SetPipeline(std::optional<Pipeline> pipeline) {
  {
    MutexLock lock(mu_);
    if (!pipeline.has_value() && !pipeline_.has_value()) return;
    pipeline_ = pipeline;
  }
  options_.on_pipeline(pipeline);
}

std::shared_ptr<WorkerStream> Controller::Find(WorkerId worker) const {
  MutexLock lock(mu_);
  const auto found = streams_.find(worker);
  return found == streams_.end() ? nullptr : found->second;
}

}  // namespace tern
