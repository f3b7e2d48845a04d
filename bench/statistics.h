// SPDX-License-Identifier: MIT
// What is said of several measurements of one thing.
#ifndef TERN_BENCH_STATISTICS_H_
#define TERN_BENCH_STATISTICS_H_

#include <vector>

namespace tern {

struct Spread {
  double median = 0;
  double min = 0;
  double max = 0;
  bool operator==(const Spread&) const = default;
};

// The value below which `percent` of the values lie, in [0, 100]: linear between the two nearest,
// as NumPy has it. REQUIRES at least one value.
double Percentile(std::vector<double> values, double percent);

// REQUIRES at least one value.
Spread SpreadOf(const std::vector<double>& values);

}  // namespace tern

#endif  // TERN_BENCH_STATISTICS_H_
