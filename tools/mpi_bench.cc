// SPDX-License-Identifier: MIT
#include "tools/mpi_bench.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/status_macros.h"
#include "bench/statistics.h"
#include "cluster/clock.h"
#include "cluster/mpi_transport.h"
#include "tools/mpi_exchange.h"

namespace tern {
namespace {

constexpr uint32_t kDim = 2560;
constexpr uint32_t kWarmUp = 200;
constexpr uint32_t kRounds = 2000;
constexpr absl::Duration kExchangeLimit = absl::Seconds(60);

StepFrame OneRow() {
  StepFrame step;
  step.epoch = 1;
  Segment& segment = step.segments.emplace_back();
  segment.sequence = 1;
  segment.rows = 1;
  step.tokens = {1};
  step.hidden = AlignedBuffer<float>::Zeroed(kDim);
  return step;
}

// One end: hands each frame that comes to the thread that waits for it, as a stage's runner does.
class End {
 public:
  End(MpiWorld* world, int other) : receiver_(world, other, ChannelTo(world->rank()), Ignore) {
    FrameLimits limits;
    limits.epoch = 1;
    limits.dim = kDim;
    limits.vocab = limits.outputs = 2;
    limits.context = 64;
    limits.max_rows = 1;
    limits.expect_hidden = true;
    receiver_.Accept(limits, [this](Frame frame) { Take(std::move(frame)); });
  }

  static uint32_t ChannelTo(int rank) { return static_cast<uint32_t>(rank); }

  Frame Wait() ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    while (!here_) changed_.Wait(mu_);
    here_ = false;
    return std::move(frame_);
  }

 private:
  static void Ignore(absl::Status) {}
  void Take(Frame frame) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    frame_ = std::move(frame);
    here_ = true;
    changed_.NotifyOne();
  }

  Mutex mu_;
  CondVar changed_;
  Frame frame_ ABSL_GUARDED_BY(mu_);
  bool here_ ABSL_GUARDED_BY(mu_) = false;
  MpiFrameReceiver receiver_;  // last: it uses everything above
};

absl::StatusOr<HopTimes> PingPong(MpiWorld& world) {
  const int me = world.rank(), other = 1 - me;
  End end(&world, other);
  MpiTransport transport(&world);
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<FrameSender> sender,
                        transport.Connect(MpiAddress(other, End::ChannelTo(other)), {}));
  Frame frame = OneRow();
  std::vector<double> seconds;
  for (uint32_t round = 0; round < kWarmUp + kRounds; ++round) {
    const absl::Time begin = MonotonicNow();
    if (me == 0) sender->Send(std::move(frame));
    frame = end.Wait();
    if (me == 1) sender->Send(std::move(frame));
    if (round >= kWarmUp) seconds.push_back(absl::ToDoubleSeconds(MonotonicNow() - begin) / 2);
  }
  return HopTimes{.dim = kDim,
                  .round_trips = kRounds,
                  .median_us = Percentile(seconds, 50) * 1e6,
                  .p99_us = Percentile(seconds, 99) * 1e6};
}

}  // namespace

absl::StatusOr<HopTimes> BenchHop(MpiWorld& world) {
  if (world.size() < 2) return absl::InvalidArgumentError("--bench-hop: want at least two ranks");
  absl::StatusOr<HopTimes> times = HopTimes{};
  if (world.rank() < 2) times = PingPong(world);
  const absl::StatusOr<std::string> mine =
      times.ok() ? absl::StatusOr<std::string>("done") : times.status();
  TERN_RETURN_IF_ERROR(Exchange(world, mine, kExchangeLimit).status());
  return times;
}

}  // namespace tern
