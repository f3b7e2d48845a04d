// SPDX-License-Identifier: MIT
#include "bench/statistics.h"

#include <algorithm>

#include "base/log.h"

namespace tern {

double Percentile(std::vector<double> values, double percent) {
  TERN_CHECK(!values.empty());
  std::sort(values.begin(), values.end());
  const double rank = percent / 100 * static_cast<double>(values.size() - 1);
  const auto below = static_cast<size_t>(rank);
  const size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (rank - static_cast<double>(below)) * (values[above] - values[below]);
}

Spread SpreadOf(const std::vector<double>& values) {
  return {.median = Percentile(values, 50),
          .min = Percentile(values, 0),
          .max = Percentile(values, 100)};
}

}  // namespace tern
