// SPDX-License-Identifier: MIT
#include "tools/cluster_report.h"

#include <vector>

#include "absl/strings/str_format.h"
#include "bench/tables.h"
#include "tools/bench_format.h"

namespace tern {
namespace {

using Json = nlohmann::ordered_json;

std::string Ratio(const Spread& spread) { return absl::StrFormat("%.1f %%", spread.median * 100); }

Json ToJson(const ClusterResult& result) {
  return {{"name", result.name},
          {"decode_tokens_per_s", SpreadJson(result.decode_tokens_per_s)},
          {"decode_ratio", SpreadJson(result.decode_ratio)},
          {"prefill_tokens_per_s", SpreadJson(result.prefill_tokens_per_s)},
          {"prefill_ratio", SpreadJson(result.prefill_ratio)},
          {"token_ms", SpreadJson(result.token_ms)},
          {"link_us", SpreadJson(result.link_us)},
          {"quiet_p99_ms", SpreadJson(result.quiet_p99_ms)},
          {"disturbed_p99_ms", SpreadJson(result.disturbed_p99_ms)},
          {"disturbed_ratio", SpreadJson(result.disturbed_ratio)}};
}

}  // namespace

std::string FormatCluster(const ClusterReport& report, const ClusterBenchOptions& options) {
  std::vector<std::vector<std::string>> speed = {{"deployment", "decode tokens/s", "of first",
                                                  "prefill tokens/s", "of first", "ms/token",
                                                  "us/link"}};
  std::vector<std::vector<std::string>> pace = {
      {"short requests", "p99 ms", "p99 ms beside a long prompt", "times"}};
  for (const ClusterResult& result : report.results) {
    speed.push_back({result.name, SpreadText(result.decode_tokens_per_s, 1),
                     Ratio(result.decode_ratio), SpreadText(result.prefill_tokens_per_s, 1),
                     Ratio(result.prefill_ratio), SpreadText(result.token_ms, 2),
                     SpreadText(result.link_us, 0)});
    pace.push_back({result.name, SpreadText(result.quiet_p99_ms, 1),
                    SpreadText(result.disturbed_p99_ms, 1),
                    absl::StrFormat("%.2f", result.disturbed_ratio.median)});
  }
  std::string text = absl::StrFormat(
      "%d streams of %d tokens; a prompt of %d tokens; one stream alone. %d rounds in turns.\n",
      options.streams, options.tokens, options.prompt, options.repeat);
  text += FormatTable(speed);
  if (options.long_prompt > 0) {
    text += absl::StrFormat("\nTwo short requests, while a prompt of %d tokens is computed:\n",
                            options.long_prompt);
    text += FormatTable(pace);
  }
  text +=
      absl::StrFormat("\n%d streams, first deployment: %.1f tokens/s, engine %.2f %% of a step\n",
                      options.many_streams, report.many_tokens_per_s, report.engine_share * 100);
  return text;
}

std::string ClusterJson(const Machine& machine, const ClusterReport& report,
                        const ClusterBenchOptions& options) {
  Json json;
  json["machine"] = MachineJson(machine);
  json["options"] = {{"repeat", options.repeat},           {"streams", options.streams},
                     {"tokens", options.tokens},           {"prompt", options.prompt},
                     {"long_prompt", options.long_prompt}, {"many_streams", options.many_streams}};
  for (const ClusterResult& result : report.results) json["results"].push_back(ToJson(result));
  json["engine_share"] = report.engine_share;
  json["many_tokens_per_s"] = report.many_tokens_per_s;
  return json.dump(2) + "\n";
}

}  // namespace tern
