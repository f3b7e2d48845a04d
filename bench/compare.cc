// SPDX-License-Identifier: MIT
#include "bench/compare.h"

#include <functional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "bench/tables.h"

namespace tern {
namespace {

// A speed that both may have measured.
struct Speed {
  std::string name;
  double value = 0;
};

std::vector<Speed> Speeds(const Report& report) {
  std::vector<Speed> speeds;
  for (const Limits& l : report.limits) {
    const std::string threads = absl::StrCat(", ", l.threads, " threads");
    speeds.push_back({absl::StrCat("read GB/s", threads), l.read_gb_per_s});
    speeds.push_back({absl::StrCat("int8 GMAC/s", threads), l.int8_gmac_per_s});
  }
  for (const TestResult& r : report.results) {
    speeds.push_back(
        {absl::StrCat(r.test, ", ", r.threads, " threads, batch ", r.batch, ", depth ", r.depth),
         r.tokens_per_s.median});
  }
  for (const KernelResult& k : report.kernels) {
    speeds.push_back({absl::StrCat(k.kernel, " ", k.rows, "x", k.cols, ", ", k.tokens, " tokens, ",
                                   k.threads, " threads"),
                      k.gmac_per_s});
  }
  return speeds;
}

void AddNote(const char* what, const std::string& first, const std::string& second,
             std::string& notes) {
  if (first == second) return;
  absl::StrAppend(&notes, "note: different ", what, ": ", first, " | ", second, "\n");
}

std::string Notes(const Report& first, const Report& second) {
  std::string notes;
  AddNote("machines", first.machine.cpu, second.machine.cpu, notes);
  AddNote("numbers of cores", absl::StrCat(first.machine.cores), absl::StrCat(second.machine.cores),
          notes);
  AddNote("kernels", absl::StrJoin(first.machine.kernels, " "),
          absl::StrJoin(second.machine.kernels, " "), notes);
  AddNote("builds", absl::StrCat(first.machine.version, " ", first.machine.commit),
          absl::StrCat(second.machine.version, " ", second.machine.commit), notes);
  const auto model = [](const Report& report) { return report.model ? report.model->name : ""; };
  AddNote("models", model(first), model(second), notes);
  for (const Report* report : {&first, &second}) {
    const double load = report->machine.load_average;
    if (load < 0.5) continue;
    absl::StrAppendFormat(&notes, "note: the %s machine was busy: load average %.2f\n",
                          report == &first ? "first" : "second", load);
  }
  return notes;
}

}  // namespace

std::string Compare(const Report& first, const Report& second) {
  std::vector<std::vector<std::string>> rows = {{"", "first", "second", "second/first"}};
  const std::vector<Speed> others = Speeds(second);
  for (const Speed& speed : Speeds(first)) {
    for (const Speed& other : others) {
      if (other.name != speed.name || speed.value <= 0) continue;
      rows.push_back({speed.name, absl::StrFormat("%.2f", speed.value),
                      absl::StrFormat("%.2f", other.value),
                      absl::StrFormat("%.3f", other.value / speed.value)});
    }
  }
  const std::string notes = Notes(first, second);
  if (rows.size() == 1) return absl::StrCat(notes, "nothing was measured by both\n");
  return absl::StrCat(notes, FormatTable(rows));
}

}  // namespace tern
