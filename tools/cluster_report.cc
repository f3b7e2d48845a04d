// SPDX-License-Identifier: MIT
#include "tools/cluster_report.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "bench/tables.h"
#include "bench/text_file.h"
#include "tools/bench_format.h"

namespace tern {
namespace {

using Json = nlohmann::ordered_json;

std::string Percent(double share) { return absl::StrFormat("%.1f %%", share * 100); }

Json ToJson(const SlowLinkResult& result) {
  return {{"mbit", result.mbit},
          {"decode_ratio", SpreadJson(result.decode_ratio)},
          {"link_bytes_per_second", result.link_bytes_per_second},
          {"step_rows", result.step_rows},
          {"step_bytes", result.step_bytes},
          {"activation_bytes_per_second", result.activation_bytes_per_second},
          {"link_share", result.link_share}};
}

std::string FormatSlowLink(const SlowLinkResult& result) {
  return absl::StrFormat(
      "Over links of %d Mbit/s, decode is %s of what it is over TCP without that limit.\n"
      "Such a link was probed at %.2f MB/s; activations, %.1f kB a step of %.0f rows, need %.2f "
      "MB/s: "
      "%s of it.\n",
      result.mbit, SpreadText(result.decode_ratio, 3), result.link_bytes_per_second / 1e6,
      result.step_bytes / 1e3, result.step_rows, result.activation_bytes_per_second / 1e6,
      Percent(result.link_share));
}

std::string PercentSpread(const Spread& ratio) {
  return SpreadText({.median = ratio.median * 100, .min = ratio.min * 100, .max = ratio.max * 100},
                    0) +
         " %";
}

// As the deployment is named, and how many rounds it had where they are not all.
std::string NameWithRounds(const ClusterResult& result, const ClusterBenchOptions& options) {
  if (result.rounds == options.repeat) return result.name;
  return absl::StrCat(result.name, " (", result.rounds, " of ", options.repeat, " rounds)");
}

Json ToJson(const ClusterResult& result) {
  return {{"name", result.name},
          {"rounds", result.rounds},
          {"decode_tokens_per_s", SpreadJson(result.decode_tokens_per_s)},
          {"decode_ratio", SpreadJson(result.decode_ratio)},
          {"prefill_tokens_per_s", SpreadJson(result.prefill_tokens_per_s)},
          {"prefill_ratio", SpreadJson(result.prefill_ratio)},
          {"token_ms", SpreadJson(result.token_ms)},
          {"link_us", SpreadJson(result.link_us)},
          {"bare_us", SpreadJson(result.bare_us)},
          {"expected_decode_tokens_per_s", result.expected_decode_tokens_per_s},
          {"expected_prefill_tokens_per_s", result.expected_prefill_tokens_per_s},
          {"decode_of_expected", SpreadJson(result.decode_of_expected)},
          {"prefill_of_expected", SpreadJson(result.prefill_of_expected)},
          {"quiet_p99_ms", result.quiet_p99_ms},
          {"disturbed_p99_ms", result.disturbed_p99_ms},
          {"long_prompt_seconds", result.long_prompt_seconds}};
}

}  // namespace

std::string FormatCluster(const ClusterReport& report, const ClusterBenchOptions& options) {
  std::vector<std::vector<std::string>> speed = {{"deployment", "decode tokens/s", "of first",
                                                  "prefill tokens/s", "of first", "ms/token",
                                                  "us/link", "bare socket"}};
  std::vector<std::vector<std::string>> expected = {
      {"as the planner expects", "decode tokens/s", "measured", "prefill tokens/s", "measured"}};
  std::vector<std::vector<std::string>> pace = {
      {"short requests", "p99 ms", "p99 ms beside the prompt", "times", "prompt seconds"}};
  for (const ClusterResult& result : report.results) {
    const bool has_links = result.link_us.max != 0;
    speed.push_back({NameWithRounds(result, options), SpreadText(result.decode_tokens_per_s, 1),
                     Percent(result.decode_ratio.median),
                     SpreadText(result.prefill_tokens_per_s, 1),
                     Percent(result.prefill_ratio.median), SpreadText(result.token_ms, 2),
                     has_links ? SpreadText(result.link_us, 0) : "",
                     has_links ? SpreadText(result.bare_us, 0) : ""});
    if (result.expected_decode_tokens_per_s > 0) {
      expected.push_back({result.name, absl::StrFormat("%.1f", result.expected_decode_tokens_per_s),
                          PercentSpread(result.decode_of_expected),
                          absl::StrFormat("%.1f", result.expected_prefill_tokens_per_s),
                          PercentSpread(result.prefill_of_expected)});
    }
    if (result.quiet_p99_ms == 0) continue;
    pace.push_back({result.name, absl::StrFormat("%.1f", result.quiet_p99_ms),
                    absl::StrFormat("%.1f", result.disturbed_p99_ms),
                    absl::StrFormat("%.2f", result.disturbed_p99_ms / result.quiet_p99_ms),
                    absl::StrFormat("%.1f", result.long_prompt_seconds)});
  }
  std::string text = absl::StrFormat(
      "%d streams of %d tokens; a prompt of %d tokens; one stream alone. %d rounds in turns.\n",
      options.streams, options.tokens, options.prompt, options.repeat);
  if (speed.size() > 1) absl::StrAppend(&text, FormatTable(speed));
  if (report.slow_link.has_value()) absl::StrAppend(&text, FormatSlowLink(*report.slow_link));
  if (expected.size() > 1) absl::StrAppend(&text, "\n", FormatTable(expected));
  if (pace.size() > 1) {
    absl::StrAppend(&text, "\nTwo short requests, while a prompt of ", options.long_prompt,
                    " tokens is computed:\n", FormatTable(pace));
  }
  if (report.many.has_value()) {
    absl::StrAppendFormat(
        &text, "\n%d streams, first deployment: %.1f tokens/s, engine %.2f %% of a step\n",
        options.many_streams, report.many->tokens_per_s, report.many->engine_share * 100);
  }
  if (report.idle.has_value()) {
    absl::StrAppendFormat(&text,
                          "%d streams that ask for nothing, %s: this process, their clients in it, "
                          "takes %s of a processor; without them %s\n",
                          options.idle_streams, report.idle->deployment,
                          Percent(report.idle->share), Percent(report.idle->share_without));
  }
  if (!report.end.ok()) {
    absl::StrAppend(&text, "\nFAILED, and nothing after it was measured: ", report.end.ToString(),
                    "\n");
  }
  return text;
}

std::string ClusterJson(const Machine& machine, const ClusterReport& report,
                        const ClusterBenchOptions& options) {
  Json json;
  json["machine"] = MachineJson(machine);
  json["options"] = {{"repeat", options.repeat},
                     {"streams", options.streams},
                     {"tokens", options.tokens},
                     {"prompt", options.prompt},
                     {"long_prompt", options.long_prompt},
                     {"many_streams", options.many_streams},
                     {"idle_streams", options.idle_streams}};
  json["results"] = Json::array();
  for (const ClusterResult& result : report.results) json["results"].push_back(ToJson(result));
  if (report.slow_link.has_value()) json["slow_link"] = ToJson(*report.slow_link);
  if (report.many.has_value()) {
    json["engine_share"] = report.many->engine_share;
    json["many_tokens_per_s"] = report.many->tokens_per_s;
  }
  if (report.idle.has_value()) {
    json["idle"] = {{"deployment", report.idle->deployment},
                    {"processor_share", report.idle->share},
                    {"processor_share_without", report.idle->share_without}};
  }
  if (!report.end.ok()) json["failed"] = report.end.ToString();
  return json.dump(2) + "\n";
}

absl::Status PublishCluster(const Machine& machine, const ClusterReport& report,
                            const ClusterBenchOptions& options, std::FILE* out,
                            const std::string& json) {
  std::fputs(absl::StrCat(FormatMachine(machine), "\n", FormatCluster(report, options)).c_str(),
             out);
  if (!json.empty()) {
    TERN_RETURN_IF_ERROR(WriteTextFile(json, ClusterJson(machine, report, options)));
  }
  return report.end;
}

}  // namespace tern
