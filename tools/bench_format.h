// SPDX-License-Identifier: MIT
// Parts that the reports of `tern bench cluster` and `tern bench mpi` share.
#ifndef TERN_TOOLS_BENCH_FORMAT_H_
#define TERN_TOOLS_BENCH_FORMAT_H_

#include <nlohmann/json.hpp>
#include <string>

#include "bench/machine.h"
#include "bench/statistics.h"

namespace tern {

// "12.3 (11.9-12.5)": the median, the least and the most.
std::string SpreadText(const Spread& spread, int decimals);
// {median, min, max}
nlohmann::ordered_json SpreadJson(const Spread& spread);
// {cpu, cores, os, load_average, version, commit}
nlohmann::ordered_json MachineJson(const Machine& machine);

}  // namespace tern

#endif  // TERN_TOOLS_BENCH_FORMAT_H_
