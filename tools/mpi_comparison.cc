// SPDX-License-Identifier: MIT
#include "tools/mpi_comparison.h"

#include <algorithm>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "bench/tables.h"
#include "text/chat_template.h"
#include "tools/bench_format.h"
#include "tools/streams.h"

namespace tern {
namespace {

using Json = nlohmann::ordered_json;

// Never the same twice, so that no prefix is found in a cache.
std::vector<std::string> RandomPrompts(uint32_t count, uint32_t words, std::mt19937_64& random) {
  std::uniform_int_distribution<int> letter('a', 'z'), length(2, 8);
  std::vector<std::string> prompts(count);
  for (std::string& prompt : prompts) {
    for (uint32_t word = 0; word < words; ++word) {
      if (word > 0) prompt += ' ';
      for (int left = length(random); left > 0; --left) prompt += static_cast<char>(letter(random));
    }
  }
  return prompts;
}

// As MpiReport::tokens_per_s.
double TokensPerSecond(const Arrivals& arrivals) {
  double first = arrivals[0].front(), last = first;
  size_t tokens = 0;
  for (const std::vector<double>& times : arrivals) {
    first = std::min(first, times.front());
    last = std::max(last, times.back());
    tokens += times.size();
  }
  return last > first ? static_cast<double>(tokens - 1) / (last - first) : 0;
}

uint64_t LargestPeak(const std::vector<RankMemory>& ranks) {
  uint64_t peak = 0;
  for (const RankMemory& rank : ranks) peak = std::max(peak, rank.peak);
  return peak;
}

std::string Mebibytes(double bytes) { return absl::StrFormat("%.1f", bytes / (1 << 20)); }

std::string FormatMemory(const std::vector<RankMemory>& ranks) {
  std::vector<std::vector<std::string>> table = {
      {"MiB of", "layers", "peak RSS", "weights", "file", "KV", "rest"}};
  for (size_t i = 0; i < ranks.size(); ++i) {
    const RankMemory& rank = ranks[i];
    std::vector<std::string>& row = table.emplace_back();
    row = {absl::StrCat("rank ", i), absl::StrCat(rank.layers)};
    for (const uint64_t bytes : {rank.peak, rank.weights, rank.file, rank.kv}) {
      row.push_back(Mebibytes(static_cast<double>(bytes)));
    }
    row.push_back(Mebibytes(static_cast<double>(rank.rest())));
  }
  return FormatTable(table);
}

}  // namespace

absl::StatusOr<MpiComparison> CompareMpi(const MpiLauncher& mpi, Deployment& workers,
                                         const Tokenizer& tokenizer,
                                         const MpiComparisonOptions& options,
                                         const std::function<void(double)>& progress) {
  std::mt19937_64 random(1);
  MpiComparison comparison;
  std::vector<double> mpi_rates, worker_rates, ratios, hops, starts;
  for (uint32_t round = 0; round < options.repeat; ++round) {
    const std::vector<std::string> texts = RandomPrompts(options.streams, options.words, random);
    std::vector<std::vector<TokenId>> prompts;
    for (const std::string& text : texts) prompts.push_back(EncodePrompt(tokenizer, text));
    TERN_ASSIGN_OR_RETURN(const Arrivals arrivals, TimeStreams(workers, prompts, options.tokens));
    TERN_ASSIGN_OR_RETURN(const MpiReport report, mpi.Generate(texts, options.tokens));
    worker_rates.push_back(TokensPerSecond(arrivals));
    mpi_rates.push_back(report.tokens_per_s());
    ratios.push_back(mpi_rates.back() / worker_rates.back());
    if (LargestPeak(report.ranks) > LargestPeak(comparison.memory)) {
      comparison.memory = report.ranks;
    }
    TERN_ASSIGN_OR_RETURN(const HopTimes hop, mpi.Hop());
    hops.push_back(hop.median_us);
    comparison.hop_dim = hop.dim;
    TERN_ASSIGN_OR_RETURN(const absl::Duration start, mpi.TimeToFirstToken());
    starts.push_back(absl::ToDoubleSeconds(start));
    progress((round + 1.0) / options.repeat);
  }
  comparison.mpi_tokens_per_s = SpreadOf(mpi_rates);
  comparison.workers_tokens_per_s = SpreadOf(worker_rates);
  comparison.ratio = SpreadOf(ratios);
  comparison.hop_us = SpreadOf(hops);
  comparison.first_token_s = SpreadOf(starts);
  return comparison;
}

std::string FormatMpi(const MpiComparison& comparison, const MpiComparisonOptions& options) {
  const size_t ranks = comparison.memory.size();
  const std::string mpi = absl::StrCat(ranks, " ranks, 1 thread each, mpirun");
  const std::string workers = absl::StrCat(ranks, " workers, 1 thread each, unix sockets");
  return absl::StrFormat("%d streams of %d tokens after %d random words. %d rounds in turns.\n",
                         options.streams, options.tokens, options.words, options.repeat) +
         FormatTable(
             {{"deployment", "tokens/s", "ratio"},
              {workers, SpreadText(comparison.workers_tokens_per_s, 1), ""},
              {mpi, SpreadText(comparison.mpi_tokens_per_s, 1), SpreadText(comparison.ratio, 3)}}) +
         "\n" +
         FormatTable({{"mpirun", "found", "want"},
                      {absl::StrCat("hop of a row of ", comparison.hop_dim, ", us"),
                       SpreadText(comparison.hop_us, 1), "60"},
                      {"start to first token, s", SpreadText(comparison.first_token_s, 2), "1"}}) +
         "\n" + FormatMemory(comparison.memory);
}

std::string MpiJson(const Machine& machine, const MpiComparison& comparison,
                    const MpiComparisonOptions& options) {
  Json json;
  json["machine"] = MachineJson(machine);
  json["options"] = {{"repeat", options.repeat},
                     {"streams", options.streams},
                     {"tokens", options.tokens},
                     {"words", options.words}};
  json["mpi_tokens_per_s"] = SpreadJson(comparison.mpi_tokens_per_s);
  json["workers_tokens_per_s"] = SpreadJson(comparison.workers_tokens_per_s);
  json["ratio"] = SpreadJson(comparison.ratio);
  json["hop_us"] = SpreadJson(comparison.hop_us);
  json["hop_dim"] = comparison.hop_dim;
  json["first_token_s"] = SpreadJson(comparison.first_token_s);
  json["ranks"] = Json::array();
  for (const RankMemory& rank : comparison.memory) json["ranks"].push_back(ToJson(rank));
  return json.dump(2) + "\n";
}

}  // namespace tern
