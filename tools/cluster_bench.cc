// SPDX-License-Identifier: MIT
#include "tools/cluster_bench.h"

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>
#include <utility>

#include "absl/time/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "bench/stopwatch.h"
#include "tools/streams.h"

namespace tern {
namespace {

constexpr uint32_t kShortPrompt = 16;

// One deployment's numbers of one round.
struct Round {
  double decode = 0;   // tokens/s
  double prefill = 0;  // tokens/s
  double token = 0;    // seconds
  double quiet = 0;    // seconds
  double disturbed = 0;
};

std::vector<double> Gaps(const std::vector<double>& times) {
  std::vector<double> gaps;
  for (size_t i = 1; i < times.size(); ++i) gaps.push_back(times[i] - times[i - 1]);
  return gaps;
}

// The value of each round.
template <typename Number>
Spread Over(const std::vector<Round>& rounds, Number number) {
  std::vector<double> values;
  for (const Round& round : rounds) values.push_back(number(round));
  return SpreadOf(values);
}

template <typename Number>
Spread RatioOver(const std::vector<Round>& rounds, const std::vector<Round>& base, Number number) {
  std::vector<double> values;
  for (size_t i = 0; i < rounds.size(); ++i) values.push_back(number(rounds[i]) / number(base[i]));
  return SpreadOf(values);
}

class ClusterBench {
 public:
  ClusterBench(const ModelConfig& config, const ClusterBenchOptions& options)
      : config_(config), options_(options) {}

  absl::StatusOr<Round> RunRound(Deployment& deployment);
  // Tokens a second of many streams.
  absl::StatusOr<double> DecodeRate(Deployment& deployment, uint32_t streams, uint32_t tokens);

 private:
  std::vector<TokenId> RandomPrompt(uint32_t tokens);
  absl::StatusOr<Arrivals> RunStreams(Deployment& deployment, uint32_t streams, uint32_t prompt,
                                      uint32_t tokens);
  absl::StatusOr<double> Prefill(Deployment& deployment, uint32_t prompt);
  absl::Status Disturb(Deployment& deployment, Round& round);

  const ModelConfig& config_;
  const ClusterBenchOptions& options_;
  Mutex mu_;
  std::mt19937_64 random_ ABSL_GUARDED_BY(mu_){1};
};

// Never the same twice, so that no prefix is found in a cache.
std::vector<TokenId> ClusterBench::RandomPrompt(uint32_t tokens) {
  MutexLock lock(mu_);
  std::uniform_int_distribution<TokenId> draw(0, static_cast<TokenId>(config_.vocab) - 1);
  std::vector<TokenId> prompt(tokens);
  for (TokenId& token : prompt) token = draw(random_);
  return prompt;
}

absl::StatusOr<Arrivals> ClusterBench::RunStreams(Deployment& deployment, uint32_t streams,
                                                  uint32_t prompt, uint32_t tokens) {
  std::vector<std::vector<TokenId>> prompts;
  for (uint32_t i = 0; i < streams; ++i) prompts.push_back(RandomPrompt(prompt));
  return tern::RunStreams(deployment, prompts, tokens);
}

// Counted while all streams generate: from the last one's first token to the first one's last.
absl::StatusOr<double> ClusterBench::DecodeRate(Deployment& deployment, uint32_t streams,
                                                uint32_t tokens) {
  TERN_ASSIGN_OR_RETURN(const Arrivals arrivals,
                        RunStreams(deployment, streams, kShortPrompt, tokens));
  double begin = 0, end = arrivals[0].back();
  for (const std::vector<double>& times : arrivals) {
    begin = std::max(begin, times.front());
    end = std::min(end, times.back());
  }
  double count = 0;
  for (const std::vector<double>& times : arrivals) {
    count += static_cast<double>(std::count_if(
        times.begin(), times.end(), [&](double time) { return time > begin && time <= end; }));
  }
  return end > begin ? count / (end - begin) : 0;
}

absl::StatusOr<double> ClusterBench::Prefill(Deployment& deployment, uint32_t prompt) {
  TERN_ASSIGN_OR_RETURN(const Arrivals arrivals, RunStreams(deployment, 1, prompt, 1));
  return prompt / arrivals[0].front();
}

// The gaps of short requests, before a long prompt comes and while it is computed.
absl::Status ClusterBench::Disturb(Deployment& deployment, Round& round) {
  constexpr uint32_t kShort = 2, kQuietTokens = 48;
  TERN_ASSIGN_OR_RETURN(const Arrivals quiet,
                        RunStreams(deployment, kShort, kShortPrompt, kQuietTokens));
  const Stopwatch clock;
  double begin = 0, end = 0;
  absl::Status status;
  std::thread prefill([&, prompt = RandomPrompt(options_.long_prompt)] {
    begin = clock.Seconds();
    status = deployment.Generate(prompt, 1, [&] { end = clock.Seconds(); });
  });
  // Short requests, one after the other, until it is done.
  std::vector<double> gaps;
  std::vector<std::thread> threads;
  Mutex mu;
  std::vector<absl::Status> ends(kShort);
  std::atomic<bool> done{false};
  for (uint32_t i = 0; i < kShort; ++i) {
    threads.emplace_back([&, i] {
      while (ends[i].ok() && !done) {
        std::vector<double> times;
        ends[i] = deployment.Generate(RandomPrompt(kShortPrompt), kQuietTokens,
                                      [&] { times.push_back(clock.Seconds()); });
        MutexLock lock(mu);
        for (const double gap : Gaps(times)) gaps.push_back(gap);
      }
    });
  }
  prefill.join();
  done = true;
  for (std::thread& thread : threads) thread.join();
  TERN_RETURN_IF_ERROR(status);
  for (const absl::Status& stream : ends) TERN_RETURN_IF_ERROR(stream);
  std::vector<double> quiet_gaps;
  for (const std::vector<double>& times : quiet) {
    for (const double gap : Gaps(times)) quiet_gaps.push_back(gap);
  }
  round.quiet = Percentile(quiet_gaps, 99);
  round.disturbed = Percentile(gaps, 99);
  return absl::OkStatus();
}

absl::StatusOr<Round> ClusterBench::RunRound(Deployment& deployment) {
  Round round;
  TERN_ASSIGN_OR_RETURN(round.decode, DecodeRate(deployment, options_.streams, options_.tokens));
  TERN_ASSIGN_OR_RETURN(round.prefill, Prefill(deployment, options_.prompt));
  TERN_ASSIGN_OR_RETURN(const Arrivals alone,
                        RunStreams(deployment, 1, kShortPrompt, options_.tokens));
  round.token = Percentile(Gaps(alone[0]), 50);
  if (options_.long_prompt > 0) TERN_RETURN_IF_ERROR(Disturb(deployment, round));
  return round;
}

ClusterResult Summarize(const NamedDeployment& named, const std::vector<Round>& rounds,
                        const std::vector<Round>& whole, const std::vector<Round>& staged) {
  const auto decode = [](const Round& round) { return round.decode; };
  const auto prefill = [](const Round& round) { return round.prefill; };
  ClusterResult result;
  result.name = named.name;
  result.decode_tokens_per_s = Over(rounds, decode);
  result.decode_ratio = RatioOver(rounds, whole, decode);
  result.prefill_tokens_per_s = Over(rounds, prefill);
  result.prefill_ratio = RatioOver(rounds, whole, prefill);
  result.token_ms = Over(rounds, [](const Round& round) { return round.token * 1e3; });
  if (named.links > 0) {
    std::vector<double> added;
    for (size_t i = 0; i < rounds.size(); ++i) {
      added.push_back((rounds[i].token - staged[i].token) * 1e6 / named.links);
    }
    result.link_us = SpreadOf(added);
  }
  result.quiet_p99_ms = Over(rounds, [](const Round& round) { return round.quiet * 1e3; });
  result.disturbed_p99_ms = Over(rounds, [](const Round& round) { return round.disturbed * 1e3; });
  result.disturbed_ratio = Over(rounds, [](const Round& round) {
    return round.quiet > 0 ? round.disturbed / round.quiet : 0;
  });
  return result;
}

}  // namespace

absl::StatusOr<ClusterReport> BenchCluster(const std::vector<NamedDeployment>& deployments,
                                           const ModelConfig& config,
                                           const ClusterBenchOptions& options,
                                           const std::function<void(double)>& progress) {
  TERN_CHECK(deployments.size() >= 2);
  ClusterBench bench(config, options);
  std::vector<std::vector<Round>> rounds(deployments.size());
  const double turns = static_cast<double>(options.repeat * deployments.size());
  double done = 0;
  for (uint32_t round = 0; round < options.repeat; ++round) {
    for (size_t i = 0; i < deployments.size(); ++i) {
      TERN_ASSIGN_OR_RETURN(const Round numbers, bench.RunRound(*deployments[i].deployment));
      rounds[i].push_back(numbers);
      progress(++done / turns);
    }
  }
  ClusterReport report;
  for (size_t i = 0; i < deployments.size(); ++i) {
    report.results.push_back(Summarize(deployments[i], rounds[i], rounds[0], rounds[1]));
  }
  Deployment& first = *deployments[0].deployment;
  const std::optional<Engine::Stats> before = first.stats();
  TERN_ASSIGN_OR_RETURN(report.many_tokens_per_s,
                        bench.DecodeRate(first, options.many_streams, options.tokens));
  const std::optional<Engine::Stats> after = first.stats();
  if (before.has_value() && after.has_value()) {
    report.engine_share =
        absl::FDivDuration(after->scheduling - before->scheduling, after->busy - before->busy);
  }
  return report;
}

}  // namespace tern
