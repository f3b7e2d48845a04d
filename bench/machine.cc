// SPDX-License-Identifier: MIT
#include "bench/machine.h"

#include <sys/utsname.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/version.h"
#include "bench/commit.h"
#include "bench/text_file.h"

namespace tern {
namespace {

constexpr char kCpuInfo[] = "/proc/cpuinfo";

std::string OrNotAvailable(std::string text) { return text.empty() ? "not available" : text; }

std::string CpuName() {
  std::string name = ReadField(kCpuInfo, "model name");
  if (name.empty()) name = ReadField(kCpuInfo, "CPU part");  // ARM
  // Virtual machines cut names short; family and model tell the generation.
  const std::string family = ReadField(kCpuInfo, "cpu family");
  if (!family.empty()) {
    absl::StrAppend(&name, " (family ", family, ", model ", ReadField(kCpuInfo, "model"), ")");
  }
  return OrNotAvailable(name);
}

std::string CpuFlags() {
  std::string flags = ReadField(kCpuInfo, "flags");
  if (flags.empty()) flags = ReadField(kCpuInfo, "Features");  // ARM
  return OrNotAvailable(flags);
}

std::string OsName() {
  utsname name = {};
  if (uname(&name) != 0) return OrNotAvailable("");
  return absl::StrCat(name.sysname, " ", name.release, " ", name.machine);
}

double LoadAverage() {
  double load = 0;
  return getloadavg(&load, 1) == 1 ? load : 0;
}

}  // namespace

Machine DescribeMachine(const Topology& topology, const Kernels& kernels) {
  return {
      .cpu = CpuName(),
      .flags = CpuFlags(),
      .cores = topology.cores.size(),
      .l3_bytes = topology.l3_bytes,
      .memory_bytes = topology.memory_bytes,
      .governor =
          OrNotAvailable(ReadFirstLine("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
      .huge_pages = OrNotAvailable(ReadFirstLine("/sys/kernel/mm/transparent_hugepage/enabled")),
      .os = OsName(),
      .load_average = LoadAverage(),
      .kernels = {kernels.group_gemm.name, kernels.screen.name, kernels.ops.name,
                  kernels.attention.name},
      .version = kVersion,
      .commit = BuildCommit(),
      .compiler = __VERSION__,
      .time = absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::Now(), absl::UTCTimeZone())};
}

}  // namespace tern
