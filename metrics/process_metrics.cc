// SPDX-License-Identifier: MIT
#include "metrics/process_metrics.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/time/clock.h"
#include "base/open_files.h"
#include "base/processor_time.h"

namespace tern {
namespace {

double ResidentBytes() {
  double pages = 0;
  double resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

// Field 22 of the process's stat, in clock ticks since the machine began; the second field, its
// name, may hold spaces and ends with the last parenthesis.
double SecondsSinceStart() {
  std::string line;
  std::getline(std::ifstream("/proc/self/stat"), line);
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(line.substr(name_end + 1));
  std::string field;
  for (int i = 3; i <= 22; ++i) fields >> field;
  double uptime = 0;
  std::ifstream("/proc/uptime") >> uptime;
  return uptime - std::strtod(field.c_str(), nullptr) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace

std::vector<Metric> ProcessMetrics() {
  static const absl::Time start = absl::Now() - absl::Seconds(SecondsSinceStart());
  return {
      CounterMetric("process_cpu_seconds_total", "Processor time of all threads.",
                    ProcessorSeconds()),
      GaugeMetric("process_resident_memory_bytes", "Memory that the process holds.",
                  ResidentBytes()),
      GaugeMetric("process_open_fds", "Open files and sockets.", static_cast<double>(OpenFiles())),
      GaugeMetric("process_max_fds", "How many may be open.", static_cast<double>(OpenFileLimit())),
      GaugeMetric("process_start_time_seconds", "When the process began, since 1970.",
                  absl::ToDoubleSeconds(start - absl::UnixEpoch())),
  };
}

}  // namespace tern
