// SPDX-License-Identifier: MIT
#include "base/cpuset.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"

namespace tern {
namespace {

// Reads "3" or "0-3" into `cpus`.
absl::Status AppendCpuRange(absl::string_view item, std::vector<int>& cpus) {
  const std::vector<std::string> ends = absl::StrSplit(item, '-');
  int first = 0;
  int last = 0;
  if (ends.size() > 2 || !absl::SimpleAtoi(ends.front(), &first) ||
      !absl::SimpleAtoi(ends.back(), &last) || first < 0 || last < first || last > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("cpuset: found '", item,
                     "', want 'auto', 'numa:N', 'part:K/N', 'none' or a list such as '0-3,6'"));
  }
  for (int cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<int>> CpusOfList(absl::string_view text, const Topology& topology) {
  std::vector<int> cpus;
  for (const absl::string_view item : absl::StrSplit(text, ',')) {
    TERN_RETURN_IF_ERROR(AppendCpuRange(item, cpus));
  }
  std::sort(cpus.begin(), cpus.end());
  cpus.erase(std::unique(cpus.begin(), cpus.end()), cpus.end());
  const std::vector<int> allowed = topology.Cpus();
  for (const int cpu : cpus) {
    if (std::find(allowed.begin(), allowed.end(), cpu) != allowed.end()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("cpuset: found cpu ", cpu,
                     ", which this process may not use or the machine does not have"));
  }
  return cpus;
}

// Reads "K/N" and returns the K-th of N parts of the cores' first hardware threads.
absl::StatusOr<std::vector<int>> CpusOfPart(absl::string_view text, const Topology& topology) {
  const std::vector<std::string> numbers = absl::StrSplit(text, '/');
  size_t part = 0;
  size_t parts = 0;
  if (numbers.size() != 2 || !absl::SimpleAtoi(numbers[0], &part) ||
      !absl::SimpleAtoi(numbers[1], &parts) || part < 1 || part > parts || parts > 65536) {
    return absl::InvalidArgumentError(
        absl::StrCat("cpuset: found 'part:", text, "', want e.g. 'part:1/2'"));
  }
  std::vector<int> all = topology.FirstCpus();
  if (all.size() < parts) all = topology.Cpus();
  if (all.size() < parts) return std::vector<int>();
  const auto cut = [&](size_t p) {
    return all.begin() + static_cast<ptrdiff_t>(p * all.size() / parts);
  };
  return std::vector<int>(cut(part - 1), cut(part));
}

absl::StatusOr<std::vector<int>> CpusOfNode(absl::string_view text, const Topology& topology) {
  int node = 0;
  std::vector<int> cpus;
  if (absl::SimpleAtoi(text, &node)) cpus = topology.FirstCpus(node);
  if (!cpus.empty()) return cpus;
  std::vector<int> nodes;
  for (const NumaNode& known : topology.nodes) nodes.push_back(known.number);
  return absl::InvalidArgumentError(
      absl::StrCat("cpuset: found 'numa:", text,
                   "', want the number of a NUMA node with cores: ", CpusetName(std::move(nodes))));
}

}  // namespace

absl::StatusOr<std::vector<int>> ParseCpuset(const std::string& text, const Topology& topology) {
  absl::string_view rest = text;
  if (text == "none") return std::vector<int>();
  if (text == "auto") return topology.FirstCpus();
  if (absl::ConsumePrefix(&rest, "part:")) return CpusOfPart(rest, topology);
  if (absl::ConsumePrefix(&rest, "numa:")) return CpusOfNode(rest, topology);
  return CpusOfList(rest, topology);
}

std::string CpusetName(std::vector<int> cpus) {
  if (cpus.empty()) return "any";
  std::sort(cpus.begin(), cpus.end());
  std::vector<std::string> runs;
  for (size_t begin = 0; begin < cpus.size();) {
    size_t end = begin + 1;
    while (end < cpus.size() && cpus[end] == cpus[end - 1] + 1) ++end;
    runs.push_back(end - begin == 1 ? absl::StrCat(cpus[begin])
                                    : absl::StrCat(cpus[begin], "-", cpus[end - 1]));
    begin = end;
  }
  return absl::StrJoin(runs, ",");
}

}  // namespace tern
