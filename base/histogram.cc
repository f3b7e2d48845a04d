// SPDX-License-Identifier: MIT
#include "base/histogram.h"

#include <algorithm>
#include <numeric>

namespace tern {
namespace {

constexpr double kBounds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                              0.5,   1,      2.5,   5,    10,    25,   60};

}  // namespace

uint64_t Histogram::Snapshot::count() const {
  return std::accumulate(counts.begin(), counts.end(), uint64_t{0});
}

Histogram::Histogram() {
  data_.bounds.assign(std::begin(kBounds), std::end(kBounds));
  data_.counts.resize(data_.bounds.size() + 1);
}

void Histogram::Add(absl::Duration duration) {
  const double seconds = absl::ToDoubleSeconds(duration);
  MutexLock lock(mu_);
  const auto bound = std::lower_bound(data_.bounds.begin(), data_.bounds.end(), seconds);
  ++data_.counts[static_cast<size_t>(bound - data_.bounds.begin())];
  data_.sum += seconds;
}

Histogram::Snapshot Histogram::snapshot() const {
  MutexLock lock(mu_);
  return data_;
}

}  // namespace tern
