// SPDX-License-Identifier: MIT
#include "tools/cluster_bench.h"

#include <algorithm>
#include <numeric>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/about.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/processor_time.h"
#include "base/status_macros.h"
#include "bench/stopwatch.h"
#include "tools/bare_hop.h"
#include "tools/disturbance.h"
#include "tools/measure_together.h"
#include "tools/streams.h"

namespace tern {
namespace {

// Of sequences that are to generate together. While some generate, a step may carry no more than
// one row of the prompts of others: it still begins a stream then.
constexpr uint32_t kStreamPrompt = 1;
// That a stream may generate while the requests of others are on their way.
constexpr uint32_t kAheadTokens = 192;

// How long clients that ask for nothing are looked at: each pings once in that time. What came
// before has come to its end a while later.
constexpr absl::Duration kIdleTime = absl::Seconds(10), kSettleTime = absl::Seconds(3);

// One deployment's numbers of one round.
struct Round {
  double decode = 0;   // tokens/s
  double prefill = 0;  // tokens/s
  double token = 0;    // seconds, the mean
  double links = 0;    // seconds of that in which no stage computed
  double bare = 0;     // seconds of a bare socket in place of one link
  // What the planner expected; zeros if nobody planned.
  double expected_decode = 0, expected_prefill = 0;
  uint32_t step_rows = 0;
};

// What was measured of a deployment.
struct Measured {
  std::vector<Round> rounds;
  Disturbance disturbance;  // zeros: it was not
};

// Counts the tokens of several streams from when all of them generate until each has had its part.
class Window {
 public:
  Window(uint32_t streams, uint32_t tokens) : tokens_(tokens), counts_(streams) {}

  // A stream has a token. Whether more are wanted.
  bool OnToken(size_t stream) ABSL_LOCKS_EXCLUDED(mu_) {
    const double now = clock_.Seconds();
    MutexLock lock(mu_);
    if (closed_) return false;
    if (begun_ < counts_.size()) {
      begun_ += counts_[stream]++ == 0;
      if (begun_ == counts_.size()) {
        begin_ = now;
        std::fill(counts_.begin(), counts_.end(), 0);
      }
      return true;
    }
    end_ = now;
    full_ += ++counts_[stream] == tokens_;
    closed_ = full_ == counts_.size();
    return !closed_;
  }
  // A stream has ended.
  void OnEnd() ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    closed_ = true;
  }
  // Tokens a second; 0 if they never ran all at once.
  double Rate() const ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    if (begun_ < counts_.size() || end_ <= begin_) return 0;
    return std::accumulate(counts_.begin(), counts_.end(), 0.0) / (end_ - begin_);
  }

 private:
  const Stopwatch clock_;
  const uint32_t tokens_;
  mutable Mutex mu_;
  std::vector<uint32_t> counts_ ABSL_GUARDED_BY(mu_);  // [streams], since begin_ once all run
  size_t begun_ ABSL_GUARDED_BY(mu_) = 0;
  size_t full_ ABSL_GUARDED_BY(mu_) = 0;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  double begin_ ABSL_GUARDED_BY(mu_) = 0;
  double end_ ABSL_GUARDED_BY(mu_) = 0;
};

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

  // All rounds, until a part of one fails. `measured` has an element for each deployment.
  absl::Status RunRounds(const std::vector<NamedDeployment>& deployments,
                         const std::function<void(double)>& progress,
                         std::vector<Measured>& measured);
  absl::StatusOr<ManyStreams> RunManyStreams(Deployment& deployment);

 private:
  absl::StatusOr<Round> RunRound(const NamedDeployment& named);
  // Tokens a second of many streams.
  absl::StatusOr<double> DecodeRate(Deployment& deployment, uint32_t streams);
  std::vector<TokenId> RandomPrompt(uint32_t tokens);
  std::vector<std::vector<TokenId>> RandomPrompts(uint32_t streams, uint32_t tokens);
  absl::StatusOr<double> Prefill(Deployment& deployment, uint32_t prompt);
  absl::Status RunAlone(Deployment& deployment, Round& round);
  absl::StatusOr<std::optional<Prediction>> PredictNow(const NamedDeployment& named) const;

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

std::vector<std::vector<TokenId>> ClusterBench::RandomPrompts(uint32_t streams, uint32_t tokens) {
  std::vector<std::vector<TokenId>> prompts;
  for (uint32_t i = 0; i < streams; ++i) prompts.push_back(RandomPrompt(tokens));
  return prompts;
}

absl::StatusOr<double> ClusterBench::DecodeRate(Deployment& deployment, uint32_t streams) {
  Window window(streams, options_.tokens);
  TERN_RETURN_IF_ERROR(RunStreams(
      deployment, RandomPrompts(streams, kStreamPrompt),
      MostStreamTokens(streams, options_.tokens) - kStreamPrompt,
      [&](size_t stream) { return window.OnToken(stream); }, [&] { window.OnEnd(); }));
  const double rate = window.Rate();
  if (rate > 0) return rate;
  return absl::InternalError(absl::StrCat("found no time in which all generated: one had ",
                                          kAheadTokens, " tokens before the last was asked for"));
}

absl::StatusOr<double> ClusterBench::Prefill(Deployment& deployment, uint32_t prompt) {
  TERN_ASSIGN_OR_RETURN(const Arrivals arrivals,
                        TimeStreams(deployment, {RandomPrompt(prompt)}, 1));
  return prompt / arrivals[0].front();
}

// From the first token to the last.
absl::Status ClusterBench::RunAlone(Deployment& deployment, Round& round) {
  std::vector<double> times, computed;
  const Stopwatch clock;
  TERN_RETURN_IF_ERROR(deployment.Generate(RandomPrompt(kShortPrompt), options_.tokens, [&] {
    times.push_back(clock.Seconds());
    computed.push_back(deployment.ComputeSeconds().value_or(0));
    return true;
  }));
  const auto steps = static_cast<double>(times.size() - 1);
  round.token = (times.back() - times.front()) / steps;
  round.links = round.token - (computed.back() - computed.front()) / steps;
  return absl::OkStatus();
}

// From how fast the processors are now: minutes ago a machine with neighbours was another.
absl::StatusOr<std::optional<Prediction>> ClusterBench::PredictNow(
    const NamedDeployment& named) const {
  if (named.links == 0) return std::nullopt;
  TERN_ASSIGN_OR_RETURN(const std::vector<WorkerSpeed> speeds, MeasureTogether(options_.cpus));
  return named.deployment->Predict(speeds, kStreamPrompt + options_.tokens / 2, options_.prompt);
}

absl::StatusOr<Round> ClusterBench::RunRound(const NamedDeployment& named) {
  Deployment& deployment = *named.deployment;
  Round round;
  TERN_ASSIGN_OR_RETURN(round.decode, About(absl::StrCat(options_.streams, " streams"),
                                            DecodeRate(deployment, options_.streams)));
  TERN_ASSIGN_OR_RETURN(const std::optional<Prediction> expected,
                        About("what the planner expects", PredictNow(named)));
  TERN_ASSIGN_OR_RETURN(round.prefill,
                        About("the prompt that is timed", Prefill(deployment, options_.prompt)));
  if (expected.has_value()) {
    round.expected_decode = expected->tokens_per_second;
    round.expected_prefill = expected->prefill_tokens_per_second;
    round.step_rows = expected->step_rows;
  }
  TERN_RETURN_IF_ERROR(About("one stream alone", RunAlone(deployment, round)));
  if (named.links == 0) return round;
  // A stage's share of the token: so long the next one waits.
  const absl::Duration pause = absl::Seconds(round.token / std::max(1u, named.links - 1));
  TERN_ASSIGN_OR_RETURN(round.bare,
                        About("bare socket", BareHopSeconds({.tcp = named.tcp,
                                                             .bytes = config_.dim * sizeof(float),
                                                             .pause = pause,
                                                             .cpus = options_.cpus})));
  return round;
}

absl::Status ClusterBench::RunRounds(const std::vector<NamedDeployment>& deployments,
                                     const std::function<void(double)>& progress,
                                     std::vector<Measured>& measured) {
  const bool disturbs = options_.long_prompt > 0;
  const PromptSource new_prompt = [this](uint32_t tokens) { return RandomPrompt(tokens); };
  const double turns = static_cast<double>((options_.repeat + disturbs) * deployments.size());
  double done = 0;
  for (uint32_t round = 0; round < options_.repeat; ++round) {
    for (size_t i = 0; i < deployments.size(); ++i) {
      const std::string turn = absl::StrCat("round ", round + 1, " of ", deployments[i].name);
      TERN_ASSIGN_OR_RETURN(const Round numbers, About(turn, RunRound(deployments[i])));
      measured[i].rounds.push_back(numbers);
      progress(++done / turns);
      if (round > 0 || !disturbs) continue;
      TERN_ASSIGN_OR_RETURN(
          measured[i].disturbance,
          About(absl::StrCat(turn, ": short requests beside a long prompt"),
                MeasureDisturbance(*deployments[i].deployment, new_prompt, options_.long_prompt)));
      progress(++done / turns);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<ManyStreams> ClusterBench::RunManyStreams(Deployment& deployment) {
  const std::optional<Engine::Stats> before = deployment.stats();
  ManyStreams many;
  TERN_ASSIGN_OR_RETURN(many.tokens_per_s, DecodeRate(deployment, options_.many_streams));
  const std::optional<Engine::Stats> after = deployment.stats();
  if (before.has_value() && after.has_value()) {
    many.engine_share =
        absl::FDivDuration(after->scheduling - before->scheduling, after->busy - before->busy);
  }
  return many;
}

// Of one processor, while this process idles.
double IdleShare() {
  absl::SleepFor(kSettleTime);
  const double before = ProcessorSeconds();
  const Stopwatch clock;
  absl::SleepFor(kIdleTime);
  return (ProcessorSeconds() - before) / clock.Seconds();
}

absl::StatusOr<IdleStreamsResult> MeasureIdleStreams(const NamedDeployment& named,
                                                     uint32_t streams) {
  IdleStreamsResult result{.deployment = named.name, .share_without = IdleShare()};
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<HeldStreams> held,
                        named.deployment->HoldIdleStreams(streams));
  result.share = IdleShare();
  return result;
}

ClusterResult Summarize(const NamedDeployment& named, const Measured& measured,
                        const std::vector<Round>& first) {
  const std::vector<Round>& rounds = measured.rounds;
  const Disturbance& disturbance = measured.disturbance;
  const auto decode = [](const Round& round) { return round.decode; };
  const auto prefill = [](const Round& round) { return round.prefill; };
  ClusterResult result;
  result.name = named.name;
  result.rounds = static_cast<uint32_t>(rounds.size());
  result.decode_tokens_per_s = Over(rounds, decode);
  result.decode_ratio = RatioOver(rounds, first, decode);
  result.prefill_tokens_per_s = Over(rounds, prefill);
  result.prefill_ratio = RatioOver(rounds, first, prefill);
  result.token_ms = Over(rounds, [](const Round& round) { return round.token * 1e3; });
  if (named.links > 0) {
    result.link_us =
        Over(rounds, [&](const Round& round) { return round.links * 1e6 / named.links; });
    result.bare_us = Over(rounds, [](const Round& round) { return round.bare * 1e6; });
  }
  result.quiet_p99_ms = disturbance.quiet * 1e3;
  result.disturbed_p99_ms = disturbance.disturbed * 1e3;
  result.long_prompt_seconds = disturbance.prompt;
  return result;
}

void AddExpected(const std::vector<Round>& rounds, ClusterResult& result) {
  if (rounds[0].step_rows == 0) return;
  result.expected_decode_tokens_per_s =
      Over(rounds, [](const Round& round) { return round.expected_decode; }).median;
  result.expected_prefill_tokens_per_s =
      Over(rounds, [](const Round& round) { return round.expected_prefill; }).median;
  result.decode_of_expected =
      Over(rounds, [](const Round& round) { return round.decode / round.expected_decode; });
  result.prefill_of_expected =
      Over(rounds, [](const Round& round) { return round.prefill / round.expected_prefill; });
}

// `fast` are the rounds of the same without the limit.
absl::StatusOr<SlowLinkResult> SummarizeLimit(const NamedDeployment& named,
                                              const std::vector<Round>& rounds,
                                              const std::vector<Round>& fast, double step_rows,
                                              const ModelConfig& config) {
  const auto decode = [](const Round& round) { return round.decode; };
  TERN_ASSIGN_OR_RETURN(const std::optional<LinkSpeed> link, named.deployment->SlowestLink());
  if (!link.has_value()) {
    return absl::UnavailableError(named.name + ": found no link that workers probed");
  }
  const double row_bytes = config.dim * sizeof(float);
  SlowLinkResult result;
  result.mbit = named.link_mbit;
  result.decode_ratio = RatioOver(rounds, fast, decode);
  result.link_bytes_per_second = link->bytes_per_second;
  result.step_rows = step_rows;
  result.step_bytes = step_rows * row_bytes;
  result.activation_bytes_per_second = Over(rounds, decode).median * row_bytes;
  result.link_share = result.activation_bytes_per_second / link->bytes_per_second;
  return result;
}

}  // namespace

uint32_t MostStreamTokens(uint32_t streams, uint32_t tokens) {
  // One step in 16 at most carries no prompts at all (coordinator/prompt_budget.cc).
  const uint32_t until_all_run = streams + streams / 8 + kAheadTokens;
  return std::max(kStreamPrompt + until_all_run + tokens, kShortPrompt + kShortTokens);
}

ClusterReport BenchCluster(const std::vector<NamedDeployment>& deployments,
                           const ModelConfig& config, const ClusterBenchOptions& options,
                           const std::function<void(double)>& progress) {
  TERN_CHECK(!deployments.empty());
  ClusterBench bench(config, options);
  std::vector<Measured> measured(deployments.size());
  ClusterReport report;
  report.end = bench.RunRounds(deployments, progress, measured);
  for (size_t i = 0; i < deployments.size(); ++i) {
    const std::vector<Round>& rounds = measured[i].rounds;
    if (rounds.empty()) break;
    AddExpected(rounds, report.results.emplace_back(
                            Summarize(deployments[i], measured[i], measured[0].rounds)));
    if (deployments[i].link_mbit == 0) continue;
    absl::StatusOr<SlowLinkResult> limit =
        SummarizeLimit(deployments[i], rounds, measured[i - 1].rounds, rounds[0].step_rows, config);
    if (limit.ok()) {
      report.slow_link = *std::move(limit);
    } else {
      report.end.Update(limit.status());
    }
  }
  if (!report.end.ok()) return report;
  absl::StatusOr<ManyStreams> many =
      About(absl::StrCat(options.many_streams, " streams on the first deployment"),
            bench.RunManyStreams(*deployments[0].deployment));
  report.end = many.status();
  if (!many.ok()) return report;
  report.many = *many;
  const auto last = std::find_if(deployments.rbegin(), deployments.rend(),
                                 [](const NamedDeployment& each) { return each.link_mbit == 0; });
  if (options.idle_streams == 0 || last->links == 0) return report;
  absl::StatusOr<IdleStreamsResult> idle =
      About(absl::StrCat(options.idle_streams, " idle streams"),
            MeasureIdleStreams(*last, options.idle_streams));
  report.end = idle.status();
  if (idle.ok()) report.idle = *std::move(idle);
  return report;
}

}  // namespace tern
