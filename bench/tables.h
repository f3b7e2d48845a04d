// SPDX-License-Identifier: MIT
// Results as text for a terminal.
#ifndef TERN_BENCH_TABLES_H_
#define TERN_BENCH_TABLES_H_

#include <string>
#include <vector>

#include "bench/report.h"

namespace tern {

// Columns as wide as their widest cell: the first row is the head; the first column is flush left,
// numbers flush right.
std::string FormatTable(const std::vector<std::vector<std::string>>& rows);

std::string FormatMachine(const Machine& machine);
std::string FormatModel(const BenchedModel& model);
std::string FormatLimits(const std::vector<Limits>& limits);
std::string FormatLoads(const std::vector<LoadResult>& loads);
std::string FormatTests(const std::vector<TestResult>& results);
std::string FormatKernels(const std::vector<KernelResult>& kernels);

// The kernels of this build, with whether this CPU runs them.
std::string ListKernels();

}  // namespace tern

#endif  // TERN_BENCH_TABLES_H_
