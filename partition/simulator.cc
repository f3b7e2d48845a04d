// SPDX-License-Identifier: MIT
#include "partition/simulator.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <optional>
#include <queue>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "partition/simulated_scheduler.h"

namespace tern {
namespace {

// Seeded numbers that are the same on every machine, unlike those of <random>'s distributions.
class Random {
 public:
  explicit Random(uint64_t seed) : bits_(seed) {}

  double Unit() { return static_cast<double>(bits_() >> 11) * 0x1p-53; }  // [0, 1)
  double Exponential(double mean) { return -mean * std::log1p(-Unit()); }
  uint32_t Length(const LengthDistribution& lengths) {
    if (lengths.kind == LengthDistribution::Kind::kUniform) {
      return lengths.low + static_cast<uint32_t>(Unit() * (double{1} + lengths.high - lengths.low));
    }
    return static_cast<uint32_t>(std::clamp(std::ceil(Exponential(lengths.mean)), 1.0, 1e9));
  }

 private:
  std::mt19937_64 bits_;
};

struct Event {
  enum class Kind : uint8_t { kArrival, kReached, kComputed };
  double time = 0;
  uint64_t order = 0;  // of events at the same time
  Kind kind = Kind::kArrival;
  uint32_t replica = 0;
  uint32_t stage = 0;
  uint32_t subject = 0;  // a request that arrives, a step's slot

  // For a queue whose top is the first event.
  bool operator<(const Event& other) const {
    return time != other.time ? time > other.time : order > other.order;
  }
};

struct Stage {
  bool computes = false;
  std::deque<uint32_t> waiting;  // slots of steps
  double busy = 0;               // seconds
  double link_free = 0;          // when the link behind it has sent everything
  double link_busy = 0;
};

// One replica: its scheduler, its stages, the steps on their way.
struct Pipeline {
  Replica replica;
  SimulatedScheduler scheduler;
  std::vector<Stage> stages;
  std::vector<SimulatedStep> steps;  // by slot
  std::vector<uint32_t> free_slots;
};

// Where the middle of the run begins and ends: shares of the requests that have finished.
constexpr double kMiddleBegins = 0.2;
constexpr double kMiddleEnds = 0.8;

class Simulation {
 public:
  Simulation(const std::vector<Replica>& replicas, const SimulationOptions& options)
      : options_(options), random_(options.seed), requests_(options.requests) {
    for (const Replica& replica : replicas) {
      const auto stages = static_cast<uint32_t>(replica.plan->stages.size());
      const uint32_t in_flight =
          options.steps_in_flight == 0 ? stages + 1 : options.steps_in_flight;
      pipelines_.push_back({replica,
                            SimulatedScheduler(*replica.costs, in_flight, options.prefill_chunk,
                                               options.max_rows, requests_),
                            std::vector<Stage>(stages),
                            std::vector<SimulatedStep>(in_flight),
                            {}});
      for (uint32_t slot = in_flight; slot-- > 0;) pipelines_.back().free_slots.push_back(slot);
    }
    const uint32_t context = replicas.front().costs->config().context;
    for (SimulatedRequest& request : requests_) {
      request.prompt = std::min(random_.Length(options.prompt), context - 1);
      request.output = std::min(random_.Length(options.output), context - request.prompt);
    }
  }

  SimulationResult Run() {
    Arrive();
    while (!events_.empty()) {
      const Event event = events_.top();
      events_.pop();
      now_ = event.time;
      switch (event.kind) {
        case Event::Kind::kArrival:
          Submit(event.subject);
          if (options_.arrivals_per_second > 0) ArriveLater();
          break;
        case Event::Kind::kReached:
          OnReached(event.replica, event.stage, event.subject);
          break;
        case Event::Kind::kComputed:
          OnComputed(event.replica, event.stage, event.subject);
          break;
      }
    }
    return Result();
  }

 private:
  void Add(double time, Event::Kind kind, uint32_t replica, uint32_t stage, uint32_t subject) {
    events_.push({time, next_order_++, kind, replica, stage, subject});
  }

  // The first arrivals.
  void Arrive() {
    if (options_.arrivals_per_second > 0) return ArriveLater();
    for (uint32_t stream = 0; stream < options_.streams; ++stream) ArriveNow();
  }
  void ArriveNow() {
    if (arrived_ == requests_.size()) return;
    Add(now_, Event::Kind::kArrival, 0, 0, arrived_++);
  }
  void ArriveLater() {
    if (arrived_ == requests_.size()) return;
    const double pause = random_.Exponential(1 / options_.arrivals_per_second);
    Add(now_ + pause, Event::Kind::kArrival, 0, 0, arrived_++);
  }

  // To the replica that has least to do.
  void Submit(uint32_t request) {
    if (request == 0) begin_ = now_;
    requests_[request].arrival = requests_[request].last_token = now_;
    const auto idlest =
        std::min_element(pipelines_.begin(), pipelines_.end(), [](const auto& a, const auto& b) {
          return a.scheduler.unfinished() < b.scheduler.unfinished();
        });
    idlest->scheduler.Submit(request);
    SendSteps(static_cast<uint32_t>(idlest - pipelines_.begin()));
  }

  void SendSteps(uint32_t replica) {
    Pipeline& pipeline = pipelines_[replica];
    while (std::optional<SimulatedStep> step = pipeline.scheduler.Next()) {
      const uint32_t slot = pipeline.free_slots.back();
      pipeline.free_slots.pop_back();
      pipeline.steps[slot] = *std::move(step);
      ++result_.steps;
      Add(now_, Event::Kind::kReached, replica, 0, slot);
    }
  }

  void OnReached(uint32_t replica, uint32_t stage, uint32_t slot) {
    Stage& here = pipelines_[replica].stages[stage];
    if (here.computes) {
      here.waiting.push_back(slot);
    } else {
      Start(replica, stage, slot);
    }
  }

  void Start(uint32_t replica, uint32_t stage, uint32_t slot) {
    Pipeline& pipeline = pipelines_[replica];
    const CostModel& costs = *pipeline.replica.costs;
    const auto& [worker, layers] = pipeline.replica.plan->stages[stage];
    double seconds = costs.Seconds(costs.Price(worker, pipeline.steps[slot].shape), layers);
    if (options_.jitter > 0) seconds *= 1 + options_.jitter * (2 * random_.Unit() - 1);
    pipeline.stages[stage].computes = true;
    pipeline.stages[stage].busy += seconds;
    Add(now_ + seconds, Event::Kind::kComputed, replica, stage, slot);
  }

  void OnComputed(uint32_t replica, uint32_t stage, uint32_t slot) {
    Pipeline& pipeline = pipelines_[replica];
    Stage& here = pipeline.stages[stage];
    here.computes = false;
    if (!here.waiting.empty()) {
      const uint32_t next = here.waiting.front();
      here.waiting.pop_front();
      Start(replica, stage, next);
    }
    if (stage + 1 < pipeline.stages.size()) {
      Send(replica, stage, slot);
    } else {
      Answer(replica, slot);
    }
  }

  void Send(uint32_t replica, uint32_t stage, uint32_t slot) {
    Pipeline& pipeline = pipelines_[replica];
    Stage& here = pipeline.stages[stage];
    const CostModel& costs = *pipeline.replica.costs;
    const std::vector<StagePlan>& plan = pipeline.replica.plan->stages;
    const LinkSpeed path = costs.Path(plan[stage].worker, plan[stage + 1].worker);
    const double seconds = static_cast<double>(costs.LinkBytes(pipeline.steps[slot].shape.rows)) /
                           path.bytes_per_second;
    here.link_free = std::max(now_, here.link_free) + seconds;
    here.link_busy += seconds;
    Add(here.link_free + path.latency_seconds, Event::Kind::kReached, replica, stage + 1, slot);
  }

  void Answer(uint32_t replica, uint32_t slot) {
    Pipeline& pipeline = pipelines_[replica];
    for (const uint32_t number : pipeline.steps[slot].sampled) {
      SimulatedRequest& request = requests_[number];
      (request.generated == 0 ? first_tokens_ : between_tokens_)
          .push_back(now_ - request.last_token);
      request.last_token = now_;
      ++result_.output_tokens;
    }
    pipeline.scheduler.OnResult(pipeline.steps[slot], finished_);
    pipeline.free_slots.push_back(slot);
    for (const uint32_t number : finished_) Finish(requests_[number]);
    SendSteps(replica);
  }

  void Finish(const SimulatedRequest& request) {
    ++result_.finished;
    result_.prompt_tokens += request.prompt;
    const double share =
        static_cast<double>(result_.finished) / static_cast<double>(requests_.size());
    if (share <= kMiddleBegins) middle_begin_ = {now_, result_.output_tokens};
    if (share <= kMiddleEnds) middle_end_ = {now_, result_.output_tokens};
    if (options_.arrivals_per_second == 0) ArriveNow();
  }

  static Percentiles PercentilesOf(std::vector<double>& values) {
    const auto at = [&](double share) {
      if (values.empty()) return 0.0;
      const auto nth =
          values.begin() + static_cast<ptrdiff_t>(share * static_cast<double>(values.size() - 1));
      std::nth_element(values.begin(), nth, values.end());
      return *nth;
    };
    return {at(0.50), at(0.90), at(0.99)};
  }

  SimulationResult Result() {
    result_.seconds = now_ - begin_;
    const double middle = middle_end_.time - middle_begin_.time;
    result_.tokens_per_second =
        middle > 0 ? static_cast<double>(middle_end_.tokens - middle_begin_.tokens) / middle
                   : static_cast<double>(result_.output_tokens) / result_.seconds;
    double sum = 0;
    for (const double seconds : first_tokens_) sum += seconds;
    result_.mean_first_token_seconds = sum / static_cast<double>(first_tokens_.size());
    result_.first_token_seconds = PercentilesOf(first_tokens_);
    result_.between_tokens_seconds = PercentilesOf(between_tokens_);
    std::vector<double> having;  // replicas with such a stage
    for (const Pipeline& pipeline : pipelines_) {
      const size_t stages = std::max(having.size(), pipeline.stages.size());
      having.resize(stages);
      result_.stage_busy.resize(stages);
      result_.link_busy.resize(stages);
      for (size_t stage = 0; stage < pipeline.stages.size(); ++stage) {
        ++having[stage];
        result_.stage_busy[stage] += pipeline.stages[stage].busy;
        result_.link_busy[stage] += pipeline.stages[stage].link_busy;
      }
    }
    for (size_t stage = 0; stage < having.size(); ++stage) {
      result_.stage_busy[stage] /= having[stage] * result_.seconds;
      result_.link_busy[stage] /= having[stage] * result_.seconds;
    }
    return std::move(result_);
  }

  struct Moment {
    double time = 0;
    uint64_t tokens = 0;
  };

  const SimulationOptions& options_;
  Random random_;
  std::vector<SimulatedRequest> requests_;
  std::vector<Pipeline> pipelines_;
  std::priority_queue<Event> events_;
  uint64_t next_order_ = 0;
  uint32_t arrived_ = 0;  // requests
  double now_ = 0;
  double begin_ = 0;
  Moment middle_begin_, middle_end_;
  std::vector<double> first_tokens_, between_tokens_;  // seconds
  std::vector<uint32_t> finished_;                     // by the step at work
  SimulationResult result_;
};

absl::Status CheckLengths(const char* what, const LengthDistribution& lengths) {
  const bool uniform = lengths.kind == LengthDistribution::Kind::kUniform;
  if (uniform ? lengths.low >= 1 && lengths.low <= lengths.high : lengths.mean >= 1) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(what, ": want lengths of at least 1"));
}

absl::Status Check(const SimulationOptions& options) {
  absl::Status status = CheckLengths("prompt tokens", options.prompt);
  status.Update(CheckLengths("output tokens", options.output));
  if (!(options.jitter >= 0 && options.jitter < 1)) {
    status.Update(absl::InvalidArgumentError(
        absl::StrCat("jitter: found ", options.jitter, ", want from 0 to below 1")));
  }
  if (!std::isfinite(options.arrivals_per_second) || options.arrivals_per_second < 0) {
    status.Update(absl::InvalidArgumentError(absl::StrCat(
        "arrivals a second: found ", options.arrivals_per_second, ", want a number from 0")));
  }
  if (options.requests == 0 || options.streams == 0 || options.prefill_chunk == 0 ||
      options.max_rows == 0) {
    status.Update(absl::InvalidArgumentError(
        "requests, streams, prefill chunk, rows of a step: want at least 1"));
  }
  return status;
}

}  // namespace

absl::StatusOr<SimulationResult> Simulate(const std::vector<Replica>& replicas,
                                          const SimulationOptions& options) {
  const absl::Status status = Check(options);
  if (!status.ok()) return status;
  return Simulation(replicas, options).Run();
}

}  // namespace tern
