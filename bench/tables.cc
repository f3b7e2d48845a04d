// SPDX-License-Identifier: MIT
#include "bench/tables.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "bench/kernel_bench.h"

namespace tern {
namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string Number(double value, int decimals = 1) {
  return absl::StrFormat("%.*f", decimals, value);
}

std::string Percent(double share) { return absl::StrFormat("%.0f %%", share * 100); }

std::string Mib(double bytes) { return Number(bytes / (1 << 20)); }

std::string SpreadText(const Spread& spread) {
  return absl::StrFormat("%.2f (%.2f-%.2f)", spread.median, spread.min, spread.max);
}

std::string LatencyText(const TestResult& result) {
  if (result.time_to_first_token_ms) {
    return absl::StrCat("first ", Number(*result.time_to_first_token_ms, 0));
  }
  if (!result.token_latency_ms) return "";
  const Latency& latency = *result.token_latency_ms;
  return absl::StrJoin({Number(latency.p50), Number(latency.p95), Number(latency.p99)}, "/");
}

}  // namespace

std::string FormatTable(const Rows& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - row[i].size(), ' ');
      absl::StrAppend(&line, i == 0 ? "" : "  ", i == 0 ? row[i] : padding,
                      i == 0 ? padding : row[i]);
    }
    absl::StrAppend(&text, line, "\n");
  }
  return text;
}

std::string FormatMachine(const Machine& machine) {
  return absl::StrFormat(
      "%s, %d cores, %.1f GiB, governor %s, load %.2f\n%s; tern %s, commit %s, kernels %s\n",
      machine.cpu, machine.cores, static_cast<double>(machine.memory_bytes) / (1 << 30),
      machine.governor, machine.load_average, machine.os, machine.version, machine.commit,
      absl::StrJoin(machine.kernels, " "));
}

std::string FormatModel(const BenchedModel& model) {
  return absl::StrFormat(
      "%s (%s): %d layers of %d, %.3f G ternary weights in %s MiB, head %s MiB (%s), KV %s\n  %s\n",
      model.name, model.architecture, model.layers, model.dim,
      static_cast<double>(model.ternary_weights) * 1e-9,
      Mib(static_cast<double>(model.weight_bytes)), Mib(static_cast<double>(model.head_bytes)),
      model.head, model.kv_type, absl::StrJoin(model.kernels, "\n  "));
}

std::string FormatLimits(const std::vector<Limits>& limits) {
  Rows rows = {
      {"limits", "threads", "read GB/s", "median", "int8 GMAC/s", "median", "sync ns", "median"}};
  for (const Limits& l : limits) {
    rows.push_back({l.probe, absl::StrCat(l.threads), Number(l.read_gb_per_s),
                    Number(l.read_median_gb_per_s), Number(l.int8_gmac_per_s),
                    Number(l.int8_median_gmac_per_s), Number(l.sync_ns, 0),
                    Number(l.sync_median_ns, 0)});
  }
  return FormatTable(rows);
}

std::string FormatLoads(const std::vector<LoadResult>& loads) {
  Rows rows = {{"load", "threads", "seconds", "peak MiB", "KV MiB"}};
  for (const LoadResult& load : loads) {
    rows.push_back({"", absl::StrCat(load.threads), Number(load.seconds, 2),
                    Mib(static_cast<double>(load.peak_rss_bytes)),
                    Mib(static_cast<double>(load.kv_bytes))});
  }
  return FormatTable(rows);
}

std::string FormatTests(const std::vector<TestResult>& results) {
  Rows rows = {{"test", "threads", "batch", "depth", "tokens/s (min-max)", "limit", "bus", "int8",
                "MiB/token", "KV MiB", "ms p50/95/99", "J/token"}};
  for (const TestResult& r : results) {
    rows.push_back({r.test, absl::StrCat(r.threads), absl::StrCat(r.batch), absl::StrCat(r.depth),
                    SpreadText(r.tokens_per_s), Percent(r.limit_share), Percent(r.bandwidth_share),
                    Percent(r.int8_share), Mib(r.bytes_per_token), Mib(r.kv_bytes_per_token),
                    LatencyText(r),
                    r.joules_per_token ? Number(*r.joules_per_token, 3) : "not available"});
  }
  return FormatTable(rows);
}

std::string FormatKernels(const std::vector<KernelResult>& kernels) {
  Rows rows = {{"kernel", "rows", "cols", "tokens", "threads", "us", "GB/s", "GMAC/s", "limit"}};
  for (const KernelResult& k : kernels) {
    rows.push_back({k.kernel, absl::StrCat(k.rows), absl::StrCat(k.cols), absl::StrCat(k.tokens),
                    absl::StrCat(k.threads), Number(k.seconds * 1e6, 2), Number(k.gb_per_s),
                    Number(k.gmac_per_s), Percent(k.limit_share)});
  }
  return FormatTable(rows);
}

std::string ListKernels() {
  Rows rows = {{"kernel", "this CPU"}};
  for (const KernelRow& row : KernelRows()) {
    rows.push_back({row.name, CpuSupports(row.isa) ? "yes" : "no"});
  }
  return FormatTable(rows);
}

}  // namespace tern
