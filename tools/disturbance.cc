// SPDX-License-Identifier: MIT
#include "tools/disturbance.h"

#include <array>
#include <atomic>
#include <cstddef>

#include "base/mutex.h"
#include "base/status_macros.h"
#include "bench/statistics.h"
#include "bench/stopwatch.h"
#include "tools/streams.h"
#include "tools/together.h"

namespace tern {
namespace {

constexpr size_t kAtOnce = 2;  // short requests

// When each token of a request came.
using Times = std::vector<double>;

// Between tokens of which the second came after `begin`.
void AppendGaps(const Times& times, double begin, std::vector<double>& gaps) {
  for (size_t i = 1; i < times.size(); ++i) {
    if (times[i] > begin) gaps.push_back(times[i] - times[i - 1]);
  }
}

// Short requests, one after the other on each of the streams, until they are stopped. Thread-safe.
class ShortRequests {
 public:
  ShortRequests(Deployment* deployment, const PromptSource& new_prompt)
      : deployment_(*deployment), new_prompt_(new_prompt) {}

  // Those of one stream.
  absl::Status Run(size_t stream) {
    absl::Status status;
    while (status.ok() && !stopped_) {
      Times& times = streams_[stream].emplace_back();
      status = deployment_.Generate(new_prompt_(kShortPrompt), kShortTokens, [&] {
        times.push_back(clock_.Seconds());
        SetUnderWay(stream);
        return !stopped_;
      });
    }
    SetUnderWay(stream);  // lest anybody wait for one that failed
    return status;
  }
  // Until each stream has had a token or failed.
  void AwaitAll() ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    for (const bool& is_under_way : is_under_way_) {
      while (!is_under_way) changed_.Wait(mu_);
    }
  }
  void Stop() { stopped_ = true; }

  double Now() const { return clock_.Seconds(); }
  // REQUIRES that all have ended.
  std::vector<double> GapsSince(double begin) const {
    std::vector<double> gaps;
    for (const std::vector<Times>& requests : streams_) {
      for (const Times& times : requests) AppendGaps(times, begin, gaps);
    }
    return gaps;
  }

 private:
  void SetUnderWay(size_t stream) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    is_under_way_[stream] = true;
    changed_.NotifyAll();
  }

  Deployment& deployment_;
  const PromptSource& new_prompt_;
  const Stopwatch clock_;
  std::atomic<bool> stopped_{false};
  std::array<std::vector<Times>, kAtOnce> streams_;  // each its own thread's
  Mutex mu_;
  CondVar changed_;
  std::array<bool, kAtOnce> is_under_way_ ABSL_GUARDED_BY(mu_) = {};
};

// Between tokens, 99th percentile.
absl::StatusOr<double> QuietPace(Deployment& deployment, const PromptSource& new_prompt) {
  std::vector<std::vector<TokenId>> prompts;
  for (size_t i = 0; i < kAtOnce; ++i) prompts.push_back(new_prompt(kShortPrompt));
  TERN_ASSIGN_OR_RETURN(const Arrivals arrivals, TimeStreams(deployment, prompts, kShortTokens));
  std::vector<double> gaps;
  for (const Times& times : arrivals) AppendGaps(times, 0, gaps);
  return Percentile(gaps, 99);
}

}  // namespace

absl::StatusOr<Disturbance> MeasureDisturbance(Deployment& deployment,
                                               const PromptSource& new_prompt,
                                               uint32_t long_prompt) {
  Disturbance disturbance;
  TERN_ASSIGN_OR_RETURN(disturbance.quiet, QuietPace(deployment, new_prompt));
  ShortRequests requests(&deployment, new_prompt);
  double begin = 0;
  const auto run_long_prompt = [&] {
    requests.AwaitAll();
    begin = requests.Now();
    const absl::Status status = deployment.Generate(new_prompt(long_prompt), 1, [&] {
      disturbance.prompt = requests.Now() - begin;
      return true;
    });
    requests.Stop();
    return status;
  };
  TERN_RETURN_IF_ERROR(RunTogether(
      kAtOnce + 1, [&](size_t i) { return i < kAtOnce ? requests.Run(i) : run_long_prompt(); }));
  const std::vector<double> gaps = requests.GapsSince(begin);
  if (gaps.empty()) return absl::InternalError("the long prompt was done before any token came");
  disturbance.disturbed = Percentile(gaps, 99);
  return disturbance;
}

}  // namespace tern
