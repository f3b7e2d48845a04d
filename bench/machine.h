// SPDX-License-Identifier: MIT
// What a result was measured on, and with which build.
#ifndef TERN_BENCH_MACHINE_H_
#define TERN_BENCH_MACHINE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/topology.h"
#include "kernels/registry.h"

namespace tern {

struct Machine {
  std::string cpu;
  std::string flags;  // of the CPU, as the system lists them
  uint64_t cores = 0;
  uint64_t l3_bytes = 0;
  uint64_t memory_bytes = 0;
  std::string governor;    // of the first core's frequency, or "not available"
  std::string huge_pages;  // the system's setting for transparent ones, or "not available"
  std::string os;
  double load_average = 0;           // of the minute before: other programs make noise
  std::vector<std::string> kernels;  // chosen for this CPU; a model's matrices have their own
  std::string version;
  std::string commit;
  std::string compiler;
  std::string time;  // UTC
  bool operator==(const Machine&) const = default;
};

Machine DescribeMachine(const Topology& topology, const Kernels& kernels);

}  // namespace tern

#endif  // TERN_BENCH_MACHINE_H_
